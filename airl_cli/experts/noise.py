"""A policy that now and then does something at random."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Space
from gymnasium.vector.utils import batch_space

from airl_cli.data.policies import Predictor
from airl_cli.errors import InvalidValueError


class NoisyPolicy:
    """Takes a uniformly random action instead of the policy's own with a given probability.

    Random numbers come from torch's global generator, as those of SB3's policies do.

    Args:
        policy: The policy.
        action_space: Of one environment.
        noise: The probability, for each action anew.

    Raises:
        InvalidValueError: If `noise` is no probability.
    """

    def __init__(self, policy: Predictor, action_space: Space[Any], noise: float) -> None:
        check_noise(noise)
        self.policy = policy
        self.action_space = copy.deepcopy(action_space)
        self.noise = noise

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, Any]:
        """Actions (n_envs, *action shape) and the recurrent state, as SB3's `predict`."""
        own, state = self.policy.predict(
            observation, state=state, episode_start=episode_start, deterministic=deterministic
        )
        acts = np.array(own)
        chosen = torch.rand(len(acts)).numpy() < self.noise
        if chosen.any():
            batch = batch_space(self.action_space, len(acts))
            batch.seed(int(torch.randint(2**31, ())))
            acts[chosen] = np.asarray(batch.sample())[chosen]
        return acts, state


def check_noise(noise: float) -> None:
    """Refuses what is no probability.

    Raises:
        InvalidValueError: If it is not between 0 and 1.
    """
    if not 0 <= noise <= 1:
        raise InvalidValueError(
            f"expert.noise={noise} is no probability.", "Set it between 0 and 1."
        )
