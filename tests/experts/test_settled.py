"""Experts whose training ends when there is nothing more to learn from."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import pytest
import stable_baselines3 as sb3

from airl_cli.experts import TrainedExpert
from airl_cli.experts.cache import ExpertRecord
from airl_cli.experts.settled import StopWhenSettled


def ends_after(returns: list[float], n_episodes: int = 3) -> int | None:
    """The number of episodes after which training ends; None: it goes on."""
    callback = StopWhenSettled(n_episodes)
    callback.model = SimpleNamespace(logger=None)
    for number, value in enumerate(returns, 1):
        callback.locals = {"infos": [{}, {"episode": {"r": value}}]}
        if not callback._on_step():
            return number
    return None


@pytest.mark.parametrize(
    ("returns", "end"),
    [
        ([20.0, 500.0, 500.0, 480.0, 500.0, 500.0, 500.0], 7),
        ([-200.0] * 9, None),  # a goal that was never reached
        ([-400.0, -500.0, -500.0, -500.0, -500.0], None),  # it has been better
        ([20.0, 500.0, 500.0], None),  # too few of them
        ([-80.0, -79.0, -75.0, -77.0, -76.0], None),
    ],
)
def test_training_ends_when_returns_neither_differ_nor_rise(returns, end) -> None:
    assert ends_after(returns) == end


def test_an_expert_that_has_settled_takes_fewer_steps_and_has_a_cache_of_its_own(
    env, tmp_path, news
) -> None:
    algorithm = partial(
        sb3.PPO, "MlpPolicy", n_steps=64, batch_size=64, learning_rate=1e-2, gamma=0.0
    )
    whole = TrainedExpert(algorithm, 40_000, n_envs=2, cache_dir=str(tmp_path))
    early = TrainedExpert(
        algorithm, 40_000, n_envs=2, cache_dir=str(tmp_path), stop_when_settled=True
    )
    assert whole.folder(env) != early.folder(env)
    early.demonstrations(env, seed=0)
    assert any("the last 100 episodes all returned 10.0" in line for line in news())
    record = ExpertRecord.load(early.folder(env))
    assert record.env_steps < 20_000
    assert min(record.returns) == 10.0
