"""Policies around an expert's policy: with random actions, or with scaled observations."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Space
from gymnasium.vector.utils import batch_space
from stable_baselines3.common.vec_env import VecNormalize

from airl_cli.data.policies import Predictor
from airl_cli.envs.masks import valid_sample
from airl_cli.errors import InvalidValueError, NotFoundError, one_line
from airl_cli.limits import Fraction, check_limit
from airl_cli.policy_building import SpacesVecEnv


class NoisyPolicy:
    """Takes a uniformly random action instead of the policy's own with a given probability.

    Random numbers come from torch's global generator, as those of SB3's policies do.

    Args:
        policy: The policy.
        action_space: Of one environment.
        noise: The probability, drawn for each action.

    Raises:
        InvalidValueError: If `noise` is not between 0 and 1.
    """

    def __init__(self, policy: Predictor, action_space: Space[Any], noise: float) -> None:
        check_limit("noise", noise, Fraction)
        self.policy = policy
        self.action_space = copy.deepcopy(action_space)
        self.noise = noise

    def predict(self, observation: Any, *args: Any, **kwargs: Any) -> tuple[np.ndarray, Any]:
        """Actions (n_envs, *action shape) and the recurrent state; arguments as SB3's `predict`."""
        own, state = self.policy.predict(observation, *args, **kwargs)
        acts = np.array(own)
        chosen = torch.rand(len(acts)).numpy() < self.noise
        if chosen.any():
            acts[chosen] = self._random(len(acts), kwargs.get("action_masks"))[chosen]
        return acts, state

    def _random(self, n: int, masks: np.ndarray | None) -> np.ndarray:
        seed = int(torch.randint(2**31, ()))
        if masks is None:
            batch = batch_space(self.action_space, n)
            batch.seed(seed)
            return np.asarray(batch.sample())
        self.action_space.seed(seed)
        return np.stack([valid_sample(self.action_space, each) for each in masks])


class NormalizedPolicy:
    """Acts on observations scaled as `VecNormalize` scaled them in the policy's training.

    Args:
        policy: The policy.
        statistics: What `VecNormalize` had learned.
    """

    def __init__(self, policy: Predictor, statistics: VecNormalize) -> None:
        self.policy = policy
        self.statistics = statistics

    def predict(self, observation: Any, *args: Any, **kwargs: Any) -> tuple[np.ndarray, Any]:
        """As SB3's `predict`, for observations that are not scaled."""
        scaled = self.statistics.normalize_obs(np.asarray(observation))
        return self.policy.predict(scaled, *args, **kwargs)


def load_statistics(
    path: str | Path, spaces: tuple[Space[Any], Space[Any]], *, trust_pickle: bool
) -> VecNormalize:
    """Statistics that `VecNormalize.save` wrote, which is a pickle.

    Args:
        path: The file.
        spaces: Of observations and actions.
        trust_pickle: Whether its code may be run.

    Raises:
        NotFoundError: If there is no such file.
        InvalidValueError: If it is not trusted, damaged, or of another environment.
    """
    if not Path(path).is_file():
        raise NotFoundError(f"there is no file {path}.", "Check expert.vec_normalize.")
    if not trust_pickle:
        raise InvalidValueError(
            f"expert.vec_normalize={path} is a pickle, which could run code when it is read.",
            "If you trust the file's author with your machine, set expert.trust_pickle=true.",
        )
    try:
        statistics = VecNormalize.load(str(path), SpacesVecEnv(*spaces))
    except Exception as error:  # a pickle may raise anything
        reason = one_line(error)
        raise InvalidValueError(
            f"{path} holds no statistics of VecNormalize for this environment: {reason}.",
            "Use the file that was saved together with the model.",
        ) from error
    if not isinstance(statistics, VecNormalize):
        raise InvalidValueError(
            f"{path} holds a {type(statistics).__name__}, not a VecNormalize.",
            "Use the file that was saved together with the model.",
        )
    return statistics
