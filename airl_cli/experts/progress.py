"""How an expert's training goes, said every now and then."""

from __future__ import annotations

import time
from collections.abc import Callable

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import safe_mean

from airl_cli.experts.base import log

_SECONDS_BETWEEN_REPORTS = 15.0


class TrainingProgress:
    """Logs a line at most every 15 seconds.

    Args:
        total_timesteps: Environment steps of training.
        clock: Tells the time in seconds.
    """

    def __init__(
        self,
        total_timesteps: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total = total_timesteps
        self._clock = clock
        self._start = self._last = clock()

    def __call__(self, done: int, mean_return: Callable[[], float]) -> None:
        """Say how far it is, if it is time.

        Args:
            done: Environment steps so far.
            mean_return: Of the latest episodes; only asked when it is said.
        """
        now = self._clock()
        if now - self._last < _SECONDS_BETWEEN_REPORTS:
            return
        self._last = now
        log.info(
            f"expert: {done / self._total:.0%} of {self._total:,} steps, "
            f"{done / (now - self._start):,.0f} steps/s, return {mean_return():,.1f}"
        )


class ProgressCallback(BaseCallback):
    """Tells a `TrainingProgress` after every step of Stable-Baselines3's own training."""

    def __init__(self, progress: TrainingProgress) -> None:
        super().__init__()
        self._progress = progress

    def _on_step(self) -> bool:
        self._progress(self.num_timesteps, self._mean_return)
        return True

    def _mean_return(self) -> float:
        return safe_mean([info["r"] for info in self.model.ep_info_buffer or ()])
