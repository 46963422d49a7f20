"""Learning-rate schedules that run over the whole training, not over each round."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from stable_baselines3.common.base_class import BaseAlgorithm


@contextmanager
def overall_progress(algorithm: BaseAlgorithm, total_timesteps: int) -> Iterator[None]:
    """Measures the algorithm's progress against `total_timesteps` from now on.

    SB3 measures it within one call of `learn`. A round is one such call, so without this a linear
    schedule would be at its end in every round.

    Args:
        algorithm: Whose schedules are meant.
        total_timesteps: Environment steps until they end.
    """
    start = algorithm.num_timesteps

    def update(num_timesteps: int, total: int) -> None:
        del total  # of the round
        remaining = 1.0 - (num_timesteps - start) / total_timesteps
        algorithm._current_progress_remaining = max(0.0, remaining)

    algorithm._update_current_progress_remaining = update  # type: ignore
    try:
        yield
    finally:
        del algorithm._update_current_progress_remaining
