"""What an environment shows is one array, with its history where that is asked for."""

import gymnasium as gym
import numpy as np
import pytest

from airl_cli.envs import EnvSpec
from airl_cli.envs.observations import flatten_observations, stack_observations
from support.goal import Goal


@pytest.mark.parametrize("kind", ["Dict", "Tuple"])
def test_parts_are_one_vector(kind: str) -> None:
    env = Goal(kind)
    flat = flatten_observations(env)
    shown, _ = flat.reset(seed=0)
    assert flat.observation_space.shape == shown.shape == (4 * 4 * 3 + 2 + 2 + 3 + 2,)
    assert flat.observation_space.contains(shown)
    assert set(env.place) | set(env.goal) <= set(shown)


def test_other_observations_stay_as_they_are() -> None:
    env = Goal("Integers")
    assert flatten_observations(env) is env
    assert stack_observations(env, 1) is env


def test_a_history_ends_with_the_newest_observation() -> None:
    env = stack_observations(gym.make("Pendulum-v1"), 3)
    seen = [env.reset(seed=0)[0]]
    assert seen[0].shape == env.observation_space.shape == (3, 3)
    assert (seen[0] == seen[0][0]).all()  # the first one, repeated
    for _ in range(4):
        seen.append(env.step(env.action_space.sample())[0])
    assert np.array_equal(seen[-1][:2], seen[-2][1:])
    assert not np.array_equal(seen[-1][2], seen[-1][1])


def test_images_are_stacked_along_their_channels() -> None:
    single, env = Goal("SmallImage"), stack_observations(Goal("SmallImage"), 2)
    first, _ = env.reset(seed=0)
    assert np.array_equal(first[..., :3], single.reset(seed=0)[0])
    action = np.ones(2, np.float32)
    stacked, alone = env.step(action)[0], single.step(action)[0]
    assert env.observation_space.contains(stacked)
    assert np.array_equal(stacked[..., :3], first[..., 3:])
    assert np.array_equal(stacked[..., 3:], alone)


def test_a_history_is_part_of_the_task() -> None:
    spec = EnvSpec("Pendulum-v1")
    assert EnvSpec("Pendulum-v1", history=1).fingerprint() == spec.fingerprint()
    assert EnvSpec("Pendulum-v1", history=2).fingerprint() != spec.fingerprint()
    assert EnvSpec("Pendulum-v1", history=2).spaces()[0].shape == (2, 3)
