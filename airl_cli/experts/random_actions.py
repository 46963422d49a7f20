"""The worst demonstrator there is: a baseline for experiments with imperfect demonstrations."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airl_cli.experts.base import Demonstrations
from airl_cli.experts.sampling import Sampling, sampled_demonstrations

if TYPE_CHECKING:
    from airl_cli.envs import EnvSpec


@dataclass
class RandomExpert:
    """Uniformly random actions.

    Args:
        n_episodes: Whole episodes of demonstrations.
        subsample: Train on every k-th transition only.

    Raises:
        InvalidValueError: If a number is not positive.
    """

    n_episodes: int = 32
    subsample: int = 1

    def __post_init__(self) -> None:
        Sampling(self.n_episodes, subsample=self.subsample)

    def demonstrations(self, env: EnvSpec, *, seed: int) -> Demonstrations:
        """Episodes of random actions; see `Expert.demonstrations`."""
        return sampled_demonstrations(
            None,
            env,
            Sampling(self.n_episodes, subsample=self.subsample),
            seed=seed,
            started=time.perf_counter(),
            source="random",
        )
