"""Environments brought back to the middle of an episode."""

from __future__ import annotations

import numpy as np
import pytest

from airl_cli.envs import EnvSpec
from airl_cli.envs.wrappers import episode_logs, repeat_episodes
from support.line import line_venv

SPECS = [EnvSpec("Pendulum-v1", n_envs=3), EnvSpec("seals/CartPole-v0", n_envs=2)]


def walk(venv, n_steps: int, seed: int) -> np.ndarray:
    """The observations (n_steps, n_envs, ...) after random actions."""
    rng = np.random.default_rng(seed)
    seen = []
    for _ in range(n_steps):
        if hasattr(venv.action_space, "n"):
            acts = rng.integers(venv.action_space.n, size=venv.num_envs)
        else:
            acts = rng.uniform(-1, 1, (venv.num_envs, *venv.action_space.shape)).astype("f4")
        seen.append(venv.step(acts)[0])
    return np.stack(seen)


@pytest.mark.parametrize("n_steps", [0, 7, 230, 510])
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.id)
def test_a_repeated_episode_goes_on_as_the_first_did_beyond_its_end(
    spec: EnvSpec, n_steps: int
) -> None:
    first, second = spec.make(3), spec.make(99)
    last_obs = first.reset()
    if n_steps:
        last_obs = walk(first, n_steps, seed=0)[-1]
    assert repeat_episodes(second, episode_logs(first), last_obs)
    np.testing.assert_array_equal(walk(first, 600, seed=1), walk(second, 600, seed=1))


def test_workers_repeat_episodes_as_one_process_does() -> None:
    spec = EnvSpec("Pendulum-v1", n_envs=2)
    first = spec.make(3)
    first.reset()
    last_obs = walk(first, 205, seed=0)[-1]
    workers = EnvSpec("Pendulum-v1", n_envs=2, vectorization="subproc").make(0)
    try:
        assert repeat_episodes(workers, episode_logs(first), last_obs)
        np.testing.assert_array_equal(walk(first, 210, seed=1), walk(workers, 210, seed=1))
    finally:
        workers.close()


def test_every_episode_starts_differently() -> None:
    venv = EnvSpec("Pendulum-v1", n_envs=2, max_episode_steps=5).make(0)
    starts = [venv.reset(), *walk(venv, 20, seed=0)[4::5]]
    assert len(np.unique(np.concatenate(starts), axis=0)) == 10


def test_what_shows_something_else_when_repeated_is_noticed() -> None:
    first = SPECS[0].make(0)
    first.reset()
    last_obs = walk(first, 5, seed=0)[-1]
    logs = episode_logs(first)
    assert logs is not None
    assert not repeat_episodes(SPECS[0].make(1), logs, last_obs + 1)
    assert not repeat_episodes(SPECS[0].make(1), logs[:1], last_obs)
    assert not repeat_episodes(SPECS[0].make(1), None, last_obs)


def test_environments_of_other_makers_have_no_log() -> None:
    venv = line_venv()
    obs = venv.reset()
    assert episode_logs(venv) is None
    assert not repeat_episodes(venv, [{"seed": 0, "number": 0, "actions": obs}] * 4, obs)


def test_an_episode_that_ends_earlier_than_it_did_is_noticed() -> None:
    long, short = (EnvSpec("Pendulum-v1", n_envs=1, max_episode_steps=n) for n in (50, 10))
    venv = long.make(0)
    venv.reset()
    last_obs = walk(venv, 20, seed=0)[-1]
    assert not repeat_episodes(short.make(0), episode_logs(venv), last_obs)
