"""A policy that was trained on observations which `VecNormalize` had scaled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Space
from stable_baselines3.common.vec_env import VecNormalize

from airl_cli.data.policies import Predictor
from airl_cli.errors import InvalidValueError, NotFoundError, one_line
from airl_cli.policies import SpacesVecEnv


class NormalizedPolicy:
    """Scales observations as in its training, and then acts.

    Args:
        policy: The policy.
        statistics: What `VecNormalize` had learned.
    """

    def __init__(self, policy: Predictor, statistics: VecNormalize) -> None:
        self.policy = policy
        self.statistics = statistics

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, Any]:
        """Actions and the recurrent state, as SB3's `predict`, for observations as they are."""
        scaled = self.statistics.normalize_obs(np.asarray(observation))
        return self.policy.predict(
            scaled, state=state, episode_start=episode_start, deterministic=deterministic
        )


def load_statistics(
    path: str | Path, spaces: tuple[Space[Any], Space[Any]], *, trust_pickle: bool
) -> VecNormalize:
    """What `VecNormalize.save` wrote, which is a pickle.

    Args:
        path: The file.
        spaces: Of observations and actions.
        trust_pickle: Whether its code may run.

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
