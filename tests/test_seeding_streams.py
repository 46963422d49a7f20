"""No two random streams of a run, or of runs with neighbouring seeds, are the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import combinations
from typing import Any, ClassVar

import gymnasium
import numpy as np
import pytest
import stable_baselines3 as sb3
import torch

from airl_cli.data import rollout
from airl_cli.envs import EnvSpec
from airl_cli.errors import InvalidValueError
from airl_cli.evaluation import random_baseline, sample_episodes
from airl_cli.experts import ClonedExpert, RandomExpert, TrainedExpert
from airl_cli.seeding import derive_seed, isolated_rng

ENV = EnvSpec("RecordingDraws-v0", n_envs=3)
PPO = partial(sb3.PPO, "MlpPolicy", n_steps=8, batch_size=24, n_epochs=1, gamma=0.0)


class Draws(gymnasium.Env):
    """Observations are draws of the environment's own generator; records first ones and actions."""

    observation_space = gymnasium.spaces.Box(0, 1, (2,), np.float64)
    action_space = gymnasium.spaces.Box(0, 1, (2,), np.float64)
    starts: ClassVar[list[tuple[float, ...]]] = []

    def reset(self, **kwargs: Any) -> tuple[np.ndarray, dict]:
        super().reset(**kwargs)
        self.steps = 0
        start = self.np_random.uniform(0, 1, 2)
        Draws.starts.append(tuple(start))
        return start, {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.steps += 1
        return self.np_random.uniform(0, 1, 2), float(action[0]), False, self.steps >= 4, {}


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    gymnasium.register(ENV.id, Draws, disable_env_checker=True)
    Draws.starts.clear()
    yield
    del gymnasium.registry[ENV.id]


def starts_of(action: Any) -> set[tuple[float, ...]]:
    Draws.starts.clear()
    action()
    return set(Draws.starts)


def train(seed: int) -> None:
    """Environments and generator as `airl train` makes them, and a rollout."""
    venv = ENV.make(derive_seed(seed, "environments"))
    PPO(env=venv, seed=derive_seed(seed, "generator"), device="cpu").learn(24)


def test_parts_of_a_run_and_neighbouring_seeds_share_no_starting_state(tmp_path: Any) -> None:
    def expert(seed: int) -> None:
        trained = TrainedExpert(PPO, 24, seed=seed, cache_dir=str(tmp_path / "cache"))
        with suppress(InvalidValueError):  # no better than random actions
            trained.policy_for(ENV, seed=seed)

    parts = []
    for seed in (0, 1, 2):
        parts += [
            starts_of(lambda seed=seed: train(seed)),
            starts_of(lambda seed=seed: ENV.make(seed).reset()),
            starts_of(lambda seed=seed: expert(seed)) if seed == 0 else set(),
            starts_of(lambda seed=seed: RandomExpert(4).demonstrations(ENV, seed=seed)),
            starts_of(lambda seed=seed: random_baseline(ENV, 4, derive_seed(seed, "evaluation"))),
        ]
    assert sum(map(len, parts)) > 100
    assert not any(a & b for a, b in combinations(parts, 2))


def test_raw_seeds_given_to_an_algorithm_do_not_overlap() -> None:
    def build(seed: int) -> None:
        venv = ENV.make(seed)
        PPO(env=venv, seed=seed, device="cpu")
        for _ in range(3):
            venv.reset()

    first, second = (starts_of(partial(build, seed)) for seed in (0, 1))
    assert len(first) == 9
    assert not first & second


@pytest.mark.parametrize("seed", [0, 7])
def test_random_actions_do_not_repeat_the_environments_draws(seed: int) -> None:
    episodes = sample_episodes(None, ENV, 6, seed)
    venv = ENV.make(seed)
    episodes += rollout.rollout(
        None, venv, rollout.make_sample_until(min_episodes=3), rng=np.random.default_rng(seed)
    )
    drawn = np.round(np.concatenate([t.obs.ravel() for t in episodes]), 5)
    acted = np.round(np.concatenate([t.acts.ravel() for t in episodes]), 5)
    assert len(drawn) > 60
    assert not np.isin(acted, drawn).any()
    venv.action_space.seed(seed)
    venv.seed(seed)
    sampled = np.round([venv.action_space.sample() for _ in range(20)], 5)
    seen = np.round([venv.reset() for _ in range(20)], 5)
    assert not np.isin(sampled, seen).any()


def test_a_clones_initial_weights_follow_the_runs_seed() -> None:
    expert = ClonedExpert(RandomExpert(2), updates=1, learning_rate=1e-9)
    weights = [
        torch.cat([p.flatten() for p in expert.policy_for(ENV, seed=seed)[0].parameters()])
        for seed in (0, 0, 1)
    ]
    assert torch.allclose(weights[0], weights[1])
    assert not torch.allclose(weights[0], weights[2], atol=1e-3)


def test_numpy_and_torch_do_not_share_bits() -> None:
    with isolated_rng(3):
        numpy_bits = np.random.randint(0, 2**32, 50, dtype=np.uint64)
        torch_bits = torch.randint(0, 2**32, (50,), dtype=torch.int64).numpy()
    assert not np.isin(numpy_bits & 0xFFFFFF, torch_bits & 0xFFFFFF).any()
