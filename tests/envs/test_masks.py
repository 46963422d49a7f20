"""Invalid actions."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv

from airl_cli.data import rollout
from airl_cli.envs import EnvSpec, MasksInObservation, check_environment
from airl_cli.envs.masks import n_masks, valid_sample
from airl_cli.errors import InvalidTypeError, InvalidValueError
from airl_cli.experts.wrappers import NoisyPolicy
from support.masked import Grid

SPEC = EnvSpec("support.masked:MaskedGrid-v0", n_envs=2, wrappers=[MasksInObservation])


def test_observations_end_in_the_masks_of_the_state_that_they_show() -> None:
    env = MasksInObservation(Grid())
    observation, _ = env.reset(seed=0)
    for _ in range(20):
        assert env.observation_space.contains(observation)
        masks = env.get_wrapper_attr("action_masks")()
        assert np.array_equal(observation[-4:], masks)
        assert np.array_equal(observation[:2], env.unwrapped.place)
        observation, _, done, _, _ = env.step(np.flatnonzero(masks)[0])
        if done:
            observation, _ = env.reset()


def test_random_actions_are_valid_ones() -> None:
    check_environment(SPEC)  # the grid raises where an action is invalid
    until = rollout.make_sample_until(min_episodes=4)
    venv = SPEC.make(0)
    episodes = rollout.rollout(None, venv, until, rng=np.random.default_rng(0))
    acts = np.concatenate([episode.acts for episode in episodes])
    assert set(acts) == {0, 1, 2, 3}


def test_noise_on_a_policy_takes_valid_actions() -> None:
    class First:
        def predict(self, observation, action_masks, **kwargs):
            return np.array([np.flatnonzero(m)[0] for m in action_masks]), None

    noisy = NoisyPolicy(First(), spaces.Discrete(4), noise=1.0)
    masks = np.tile([False, True, False, True], (64, 1))
    acts, _ = noisy.predict(np.zeros((64, 2)), action_masks=masks)
    assert set(acts) == {1, 3}


@pytest.mark.parametrize(
    ("space", "masks", "possible"),
    [
        (spaces.Discrete(3), [0, 1, 1], {(1,), (2,)}),
        (spaces.MultiDiscrete([2, 3]), [1, 0, 0, 1, 1], {(0, 1), (0, 2)}),
        (spaces.MultiBinary(2), [1, 1, 0, 1], {(0, 1), (1, 1)}),
    ],
)
def test_valid_samples_cover_what_the_masks_allow(space, masks, possible) -> None:
    assert n_masks(space) == len(masks)
    space.seed(0)
    drawn = [np.atleast_1d(valid_sample(space, np.array(masks))) for _ in range(60)]
    assert {tuple(int(part) for part in action) for action in drawn} == possible


def test_environments_that_cannot_be_masked_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="no method action_masks"):
        MasksInObservation(gym.make("CartPole-v1"))

    class Continuous(Grid):
        def __init__(self) -> None:
            super().__init__()
            self.action_space = spaces.Box(-1, 1, (2,))

    with pytest.raises(InvalidTypeError, match="Box cannot be masked"):
        MasksInObservation(Continuous())


def test_a_wrong_number_of_masks_is_named() -> None:
    class Wrong(Grid):
        def action_masks(self) -> np.ndarray:
            return np.ones(5, bool)

    with pytest.raises(InvalidValueError, match=r"5 values; Discrete\(4\) needs 4"):
        MasksInObservation(Wrong()).reset(seed=0)


def test_vectorised_environments_give_the_masks_of_every_copy() -> None:
    venv = DummyVecEnv([lambda: MasksInObservation(Grid())] * 3)
    obs = venv.reset()
    assert np.array_equal(obs[:, -4:], np.stack(venv.env_method("action_masks")))
