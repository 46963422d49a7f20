"""A trainer that is taken apart between two rounds and put together elsewhere."""

from __future__ import annotations

import copy
import random
from typing import Any

import numpy as np
import pytest
import torch as th
from sb3_contrib import TQC, CrossQ
from stable_baselines3 import A2C, PPO, SAC

from airl_cli.algorithms import GAIL
from airl_cli.algorithms.schedule import Annealed
from airl_cli.data import rollout
from airl_cli.envs import EnvSpec
from airl_cli.errors import InvalidValueError
from airl_cli.generators import FastPPO
from airl_cli.rewards import EMANorm
from airl_cli.seeding import global_rng_state, load_global_rng_state

OFF_POLICY = {
    "learning_starts": 50,
    "buffer_size": 150,
    "batch_size": 32,
    "policy_kwargs": {"net_arch": [16]},
}
KINDS = {
    "PPO": (PPO, {"normalize_gen_reward": True, "gen_replay_buffer_capacity": 250}),
    "FastPPO": (FastPPO, {"normalize_gen_reward": True, "n_disc_updates_before_pricing": 1}),
    "A2C": (A2C, {}),
    "held back": (
        PPO,
        {
            "net": {"spectral_norm": True, "normalize_input_layer": EMANorm},
            "gradient_penalty": 1.0,
            "r1_penalty": 0.1,
            "label_smoothing": 0.1,
            "demo_minibatch_size": 16,
            "disc_lr_schedule": Annealed(1.0, 0.1),
        },
    ),
    "SAC": (SAC, {"gen": {"learning_starts": 50, "buffer_size": 150}, "gen_train_timesteps": 40}),
    "TQC": (TQC, {"gen": OFF_POLICY, "gen_train_timesteps": 40}),
    "CrossQ": (CrossQ, {"gen": OFF_POLICY, "gen_train_timesteps": 40}),
    "GAIL": (PPO, {"trainer": GAIL, "n_disc_updates_before_pricing": 1}),
    "SAC, frugal": (
        SAC,
        {
            "gen": {
                "learning_starts": 30,
                "buffer_size": 400,
                "optimize_memory_usage": True,
                "replay_buffer_kwargs": {"handle_timeout_termination": False},
            },
            "gen_train_timesteps": 40,
        },
    ),
}


def spec(**kwargs: Any) -> EnvSpec:
    return EnvSpec("Pendulum-v1", n_envs=4, max_episode_steps=23, **kwargs)


@pytest.fixture
def make(make_trainer):
    """A trainer on pendulums that can be brought back; `seed` changes all that is random."""
    until = rollout.make_sample_until(min_episodes=8)
    demonstrations = rollout.rollout(None, spec().make(1), until, rng=np.random.default_rng(0))

    def build(kind: str, seed: int = 0, venv: Any = None) -> Any:
        algorithm, settings = copy.deepcopy(KINDS[kind])
        gen = {"seed": seed, **settings.pop("gen", {})}
        trainer = make_trainer(
            algorithm, venv=venv or spec().make(seed), gen=gen, **settings,
            demonstrations=demonstrations,
        )  # fmt: skip
        return trainer

    return build


def weights(trainer: Any) -> dict[str, th.Tensor]:
    modules = {"policy": trainer.policy, "reward": trainer.reward_net}
    return {
        f"{name}.{key}": tensor.clone()
        for name, module in modules.items()
        for key, tensor in module.state_dict().items()
    }


def n_steps(trainer: Any, rounds: int) -> int:
    return rounds * trainer.gen_train_timesteps


@pytest.mark.parametrize("kind", KINDS)
def test_a_trainer_that_was_put_together_again_goes_on_to_the_bit(make, kind: str) -> None:
    whole = make(kind)
    kept: dict[str, Any] = {}
    stats: list[dict[str, float]] = []

    def keep(number: int) -> None:
        stats.append(whole.stats)
        if number == 3:
            kept.update(copy.deepcopy({"t": whole.state_dict(), "r": global_rng_state()}))

    whole.train(n_steps(whole, 9), keep)

    other = make(kind, seed=1)  # nothing of it may shine through
    other.train(n_steps(other, 2))
    random.random(), np.random.rand(), th.rand(1)
    assert other.load_state_dict(kept["t"])
    load_global_rng_state(kept["r"])
    again: list[dict[str, float]] = []
    other.train(n_steps(other, 9), lambda _: again.append(other.stats), completed_rounds=4)

    expected = weights(whole)
    for name, tensor in weights(other).items():
        assert th.equal(tensor, expected[name]), name
    assert len(again) == 5
    for ours, theirs in zip(again, stats[4:], strict=True):
        for name in set(ours) - {"steps_per_second"}:
            assert ours[name] == theirs[name] or ours[name] != ours[name], name
    assert other.gen_algo.num_timesteps == whole.gen_algo.num_timesteps


def test_a_linear_schedule_goes_on_where_it_was(make) -> None:
    rates: list[float] = []

    def trainer() -> Any:
        made = make("PPO")
        made.gen_algo.learning_rate = lambda remaining: 1e-3 * remaining
        made.gen_algo._setup_lr_schedule()
        return made

    def note(made: Any) -> Any:
        return lambda _: rates.append(made.gen_algo.policy.optimizer.param_groups[0]["lr"])

    whole = trainer()
    whole.train(n_steps(whole, 4), note(whole))
    half = trainer()
    half.train(n_steps(half, 2))
    state = half.state_dict()
    other = trainer()
    other.load_state_dict(state)
    other.train(n_steps(other, 4), note(other), completed_rounds=2)
    assert rates[4:] == rates[2:4]
    assert rates[:4] == sorted(rates[:4], reverse=True)


def test_where_episodes_cannot_be_repeated_new_ones_begin_and_no_short_one_is_counted(
    make_trainer,
) -> None:
    first, second = make_trainer(env={"horizon": 30}), make_trainer(env={"horizon": 30})
    first.train(n_steps(first, 2))  # 40 steps: in the middle of the second episode
    assert not second.load_state_dict(first.state_dict())
    assert second.gen_algo._last_episode_starts.all()
    second.train(n_steps(second, 5), completed_rounds=2)  # a short one would be refused
    assert second.gen_algo.num_timesteps == n_steps(first, 5)


@pytest.mark.parametrize("other", ["A2C", "SAC", "GAIL"])
def test_a_state_of_another_trainer_is_refused(make, other: str) -> None:
    trainer, foreign = make("PPO"), make(other)
    foreign.train(n_steps(foreign, 1))
    state = foreign.state_dict()
    if other == "GAIL":
        state["discriminator"]["optimizer"]["state"]["0"]["exp_avg"] = th.zeros(3, 3)
    with pytest.raises(InvalidValueError, match="does not fit|another shape|no setting"):
        trainer.load_state_dict(state)


def test_what_was_loaded_does_not_change_with_what_it_came_from(make) -> None:
    first, second = make("PPO"), make("PPO", seed=1)
    first.train(n_steps(first, 1))
    second.load_state_dict(first.state_dict())
    before = copy.deepcopy(second.state_dict())
    first.train(n_steps(first, 1))
    after = second.state_dict()
    moments = [s["discriminator"]["optimizer"]["state"]["0"]["exp_avg"] for s in (before, after)]
    assert th.equal(*moments)
    assert th.equal(before["policy"]["log_std"], after["policy"]["log_std"])
