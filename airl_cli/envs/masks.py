"""Invalid actions: environments with a method `action_masks`, as sb3-contrib's MaskablePPO has it.

log pi(a|s) of a masked policy depends on which actions are valid. `MasksInObservation` makes that
a part of the state, so that everything that keeps observations (demonstrations and their files,
samples, checkpoints) keeps the masks with them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv

from airl_cli.errors import InvalidTypeError, InvalidValueError

METHOD = "action_masks"


class MasksInObservation(gym.Wrapper[Any, Any, Any, Any]):
    """Appends the action masks to the observation, as numbers 0 and 1.

    Args:
        env: With a method `action_masks() -> (n_masks,) bool`; observations are Box (flattened) or
            Discrete (one-hot), actions Discrete, MultiDiscrete or MultiBinary.

    Attributes:
        n_action_masks: How many masks there are, at the end of each observation.

    Raises:
        InvalidValueError: The environment has no such method.
        InvalidTypeError: Spaces of other types.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        if not env.has_wrapper_attr(METHOD):
            raise InvalidValueError(
                f"MasksInObservation: {env} has no method action_masks.",
                "Give the environment one, or wrap it in sb3_contrib's ActionMasker.",
            )
        self.n_action_masks = n_masks(env.action_space)
        space = env.observation_space
        if not isinstance(space, (spaces.Box, spaces.Discrete)):
            raise InvalidTypeError(
                f"MasksInObservation: observations are a {type(space).__name__} space.",
                "Make a Box of it first: gymnasium.wrappers.FlattenObservation.",
            )
        flat = spaces.flatten_space(space)
        assert isinstance(flat, spaces.Box)
        low, high = np.zeros(self.n_action_masks), np.ones(self.n_action_masks)
        self.observation_space = spaces.Box(
            np.concatenate([flat.low, low]).astype(np.float32),
            np.concatenate([flat.high, high]).astype(np.float32),
            dtype=np.float32,
        )

    def reset(self, **kwargs: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """Starts an episode."""
        observation, info = self.env.reset(**kwargs)
        return self._with_masks(observation), info

    def step(self, action: Any) -> tuple[np.ndarray, Any, bool, bool, dict[str, Any]]:
        """Passes the action on."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._with_masks(observation), reward, terminated, truncated, info

    def _with_masks(self, observation: Any) -> np.ndarray:
        masks = np.asarray(self.env.get_wrapper_attr(METHOD)())
        if masks.size != self.n_action_masks:
            raise InvalidValueError(
                f"action_masks has {masks.size} values; {self.env.action_space} needs "
                f"{self.n_action_masks}.",
                "Return one flag for each choice, as sb3-contrib wants it.",
            )
        flat = spaces.flatten(self.env.observation_space, observation)
        return np.concatenate([flat, masks.ravel()]).astype(np.float32)


def n_masks(space: spaces.Space[Any]) -> int:
    """Flags that say which choices of an action are valid: one for each choice.

    Raises:
        InvalidTypeError: Actions that cannot be masked.
    """
    if isinstance(space, spaces.Discrete):
        return int(space.n)
    if isinstance(space, spaces.MultiDiscrete):
        return int(space.nvec.sum())
    if isinstance(space, spaces.MultiBinary):
        return 2 * int(np.prod(space.shape))
    raise InvalidTypeError(
        f"actions of the space {type(space).__name__} cannot be masked.",
        "Masks are for Discrete, MultiDiscrete and MultiBinary actions.",
    )


def valid_sample(space: spaces.Space[Any], masks: np.ndarray) -> Any:
    """A uniformly random action among the valid ones.

    Args:
        space: Of the actions; its own random generator draws.
        masks: As `action_masks` gives them.
    """
    flags = np.asarray(masks).ravel().astype(np.int8)
    if isinstance(space, spaces.Discrete):
        return space.sample(flags)
    if isinstance(space, spaces.MultiDiscrete):
        ends = np.cumsum(space.nvec.ravel())[:-1]
        return space.sample(tuple(np.split(flags, ends)))
    assert isinstance(space, spaces.MultiBinary)
    off, on = flags.reshape(-1, 2).T
    return space.sample(np.where(off & on, 2, on).reshape(space.shape).astype(np.int8))


def random_action(env: gym.Env[Any, Any]) -> Any:
    """A uniformly random action, a valid one where the environment says which are."""
    if not env.has_wrapper_attr(METHOD):
        return env.action_space.sample()
    return valid_sample(env.action_space, env.get_wrapper_attr(METHOD)())


def masks_of(venv: VecEnv) -> Sequence[np.ndarray] | None:
    """The masks of each copy's present state; None where actions are not masked."""
    return venv.env_method(METHOD) if venv.has_attr(METHOD) else None


def random_actions(venv: VecEnv) -> Callable[[], np.ndarray]:
    """Random actions (n_envs, *action shape), valid ones; the environment's space is left alone.

    Args:
        venv: Reset before the first call.
    """
    space = deepcopy(venv.action_space)
    space.seed(0)

    def act() -> np.ndarray:
        masks = masks_of(venv)
        if masks is None:
            return np.stack([space.sample() for _ in range(venv.num_envs)])
        return np.stack([valid_sample(space, mask) for mask in masks])

    return act
