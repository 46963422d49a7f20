"""Observations as the rest of the program knows them: one array, float32 where it was float64."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space


class Float32Observation(gym.ObservationWrapper[Any, Any, Any]):
    """Casts float64 observations to float32, once, where they leave the environment."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        space = env.observation_space
        assert isinstance(space, spaces.Box)
        # Bounds beyond float32's range are no bounds to it.
        with np.errstate(over="ignore"):
            low, high = space.low.astype(np.float32), space.high.astype(np.float32)
        self.observation_space = spaces.Box(low, high, dtype=np.float32)

    def step(self, action: Any) -> tuple[np.ndarray, Any, bool, bool, dict[str, Any]]:
        """Steps; without the detour of `ObservationWrapper`, for this is done at every step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        seen = np.asarray(observation, dtype=np.float32)
        return seen, reward, terminated, truncated, info

    def observation(self, observation: Any) -> np.ndarray:
        """The observation as float32."""
        return np.asarray(observation, dtype=np.float32)


def cast_observations(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """`env`, wrapped if its observations are float64."""
    space = env.observation_space
    if isinstance(space, spaces.Box) and space.dtype == np.float64:
        return Float32Observation(env)
    return env


def flatten_observations(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """`env`, with one vector for an observation that has parts (Dict, Tuple), nested ones too."""
    if isinstance(env.observation_space, spaces.Dict | spaces.Tuple):
        return gym.wrappers.FlattenObservation(env)
    return env


def stack_observations(env: gym.Env[Any, Any], history: int) -> gym.Env[Any, Any]:
    """`env`, showing its last observations, the newest last; at first the first one repeated.

    Arrays are stacked along a new first axis (history, ...), images along their channels.

    Args:
        env: With one array for an observation.
        history: How many; 1 changes nothing.
    """
    if history == 1:
        return env
    single = env.observation_space
    stacked = gym.wrappers.FrameStackObservation(env, history)
    if not (isinstance(single, spaces.Box) and is_image_space(single)):
        return stacked
    height, width, channels = single.shape
    shape = (height, width, history * channels)
    return gym.wrappers.TransformObservation(
        stacked,
        lambda frames: np.moveaxis(frames, 0, 2).reshape(shape),
        spaces.Box(0, 255, shape, np.uint8),
    )
