"""Quantities that change over the whole training, not over each round."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stable_baselines3.common.base_class import BaseAlgorithm

from airl_cli.errors import InvalidValueError

Schedule = Callable[[float], float]
"""From the share of training that remains (1 to 0) to a value."""


class Annealed:
    """Falls (or rises) geometrically from one value to another, then stays.

    Args:
        start: Positive value at the start.
        end: Positive value at the end.
        fraction: Share of the training after which the end is reached, in (0, 1].

    Raises:
        InvalidValueError: A value out of range.
    """

    def __init__(self, start: float, end: float, fraction: float = 1.0) -> None:
        if not (start > 0 and end > 0 and 0 < fraction <= 1):
            raise InvalidValueError(
                f"start={start}, end={end}, fraction={fraction} describe no annealing.",
                "Give positive values, and a fraction in (0, 1].",
            )
        self.start, self.end, self.fraction = start, end, fraction

    def __call__(self, remaining: float) -> float:
        """The value where `remaining` (1 to 0) of the training is left."""
        done = min(1.0, (1.0 - remaining) / self.fraction)
        return math.exp((1 - done) * math.log(self.start) + done * math.log(self.end))


class Late:
    """A factor that is 1 at first and falls linearly to `end` in the rest of the training.

    A game of two players keeps swinging at a constant rate; at a falling one it settles.

    Args:
        after: Share of the training after which it begins to fall, in [0, 1).
        end: The factor at the end, in [0, 1].

    Raises:
        InvalidValueError: A value out of range.
    """

    def __init__(self, after: float = 0.5, end: float = 0.0) -> None:
        if not (0 <= after < 1 and 0 <= end <= 1):
            raise InvalidValueError(
                f"after={after}, end={end} describe no decay.",
                "Give after in [0, 1) and end in [0, 1].",
            )
        self.after, self.end = after, end

    def __call__(self, remaining: float) -> float:
        """The factor where `remaining` (1 to 0) of the training is left."""
        left = min(1.0, remaining / (1.0 - self.after))
        return self.end + (1.0 - self.end) * left


@contextmanager
def overall_progress(algorithm: BaseAlgorithm, total_timesteps: int, start: int) -> Iterator[None]:
    """Measures the algorithm's progress against `total_timesteps`.

    SB3 measures it within one call of `learn`. A round is one such call, so without this a linear
    schedule would be at its end in every round.

    Args:
        algorithm: Whose schedules are meant.
        total_timesteps: Environment steps until they end.
        start: `num_timesteps` when they began.
    """

    def update(num_timesteps: int, total: int) -> None:
        del total  # of the round
        remaining = 1.0 - (num_timesteps - start) / total_timesteps
        algorithm._current_progress_remaining = max(0.0, remaining)

    algorithm._update_current_progress_remaining = update  # type: ignore
    try:
        yield
    finally:
        del algorithm._update_current_progress_remaining
