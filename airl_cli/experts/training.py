"""An SB3 algorithm trained on the true reward: the best of some candidates, with its progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import safe_mean

from airl_cli.experts.base import log
from airl_cli.experts.settled import StopWhenSettled
from airl_cli.seeding import derive_seed, isolated_rng
from airl_cli.text import return_text

_SECONDS_BETWEEN_LINES = 15.0
_JUDGED_AFTER = 0.25  # of the training, the best candidate goes on alone


class Candidate(NamedTuple):
    """One of several trainings of which the best is finished.

    Attributes:
        seed: Of everything random in it.
        build: Makes the algorithm, in environments of its own, to be closed with the stack.
    """

    seed: int
    build: Callable[[ExitStack], BaseAlgorithm]


def train_best(
    candidates: Sequence[Candidate], total_timesteps: int, *, stop_when_settled: bool = False
) -> BaseAlgorithm:
    """Trains the candidates for a quarter of the steps, and the one that returns most to the end.

    Where a policy gets stuck in a poor optimum is decided early and by chance, rounding included;
    so another start is worth more than more steps.

    Args:
        candidates: One is simply trained.
        total_timesteps: Environment steps of the one that is finished.
        stop_when_settled: A candidate that has settled (`StopWhenSettled`) is the best.

    Returns:
        The trained algorithm.
    """
    with ExitStack() as stack:
        models = []
        first = round(_JUDGED_AFTER * total_timesteps) if len(candidates) > 1 else None
        for number, candidate in enumerate(candidates):
            with isolated_rng(candidate.seed):
                models.append(candidate.build(stack))
                progress = ProgressCallback(TrainingProgress(total_timesteps))
                stop = [] if first is None else [StopAfter(first)]
                settled = [StopWhenSettled()] if stop_when_settled else []
                models[-1].learn(total_timesteps, callback=[progress, *stop, *settled])
            if any(callback.settled for callback in settled):
                return models[-1]
            if first is not None:
                log.info(
                    f"expert: candidate {number + 1} of {len(candidates)} returns "
                    f"{return_text(mean_return(models[-1]))} after {first:,} steps"
                )
        best = max(models, key=lambda model: np.nan_to_num(mean_return(model), nan=-np.inf))
        done = best.num_timesteps
        if done < total_timesteps:
            progress = ProgressCallback(TrainingProgress(total_timesteps, begun_at=done))
            with isolated_rng(derive_seed(candidates[models.index(best)].seed, "the rest")):
                settled = [StopWhenSettled()] if stop_when_settled else []
                best.learn(
                    total_timesteps - done,
                    callback=[progress, *settled],
                    reset_num_timesteps=False,
                )
        return best


def mean_return(model: BaseAlgorithm) -> float:
    """Of the latest episodes in training; NaN if none has ended."""
    return float(safe_mean([info["r"] for info in model.ep_info_buffer or ()]))


class TrainingProgress:
    """Logs a line at most every 15 seconds.

    Args:
        total_timesteps: Environment steps of training.
        begun_at: How many of them are done already.
        clock: Gives the time in seconds.
    """

    def __init__(
        self,
        total_timesteps: int,
        *,
        begun_at: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._begun_at = total_timesteps, begun_at
        self._clock = clock
        self._start = self._last = clock()

    def __call__(self, done: int, mean_return: Callable[[], float]) -> None:
        """Logs how far training is, if it is time.

        Args:
            done: Environment steps so far.
            mean_return: Of the latest episodes; only called when a line is logged.
        """
        now = self._clock()
        if now - self._last < _SECONDS_BETWEEN_LINES:
            return
        self._last = now
        speed = (done - self._begun_at) / (now - self._start)
        log.info(
            f"expert: {done / self._total:.0%} of {self._total:,} steps, {speed:,.0f} steps/s, "
            f"return {return_text(mean_return())}"
        )


class ProgressCallback(BaseCallback):
    """Calls a `TrainingProgress` after every step of Stable-Baselines3's own training."""

    def __init__(self, progress: TrainingProgress) -> None:
        super().__init__()
        self._progress = progress

    def _on_step(self) -> bool:
        self._progress(self.num_timesteps, lambda: mean_return(self.model))
        return True


class StopAfter(BaseCallback):
    """Ends `learn` after some environment steps, while schedules are those of the whole training.

    Args:
        timesteps: How many.
    """

    def __init__(self, timesteps: int) -> None:
        super().__init__()
        self._timesteps = timesteps

    def _on_step(self) -> bool:
        return self.num_timesteps < self._timesteps
