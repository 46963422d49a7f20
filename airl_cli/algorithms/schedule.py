"""Quantities that change over the whole training, not over each round."""

from __future__ import annotations

import math
from collections.abc import Callable

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


class LinearDecay:
    """A factor that is 1 at first and then falls linearly to `end`.

    Two players at constant learning rates keep oscillating around the equilibrium; at falling
    rates they converge (Robbins & Monro 1951).

    Args:
        start_after: Share of the training after which the fall begins, in [0, 1).
        end: The factor at the end, in [0, 1].

    Raises:
        InvalidValueError: A value out of range.
    """

    def __init__(self, start_after: float = 0.5, end: float = 0.0) -> None:
        if not (0 <= start_after < 1 and 0 <= end <= 1):
            raise InvalidValueError(
                f"start_after={start_after}, end={end} are out of range.",
                "Give start_after in [0, 1) and end in [0, 1].",
            )
        self.start_after, self.end = start_after, end

    def __call__(self, remaining: float) -> float:
        """The factor where `remaining` (1 to 0) of the training is left."""
        left = min(1.0, remaining / (1.0 - self.start_after))
        return self.end + (1.0 - self.end) * left


class Late(LinearDecay):
    """`LinearDecay` under the name and argument that it had before 0.2.

    Args:
        after: `start_after`.
        end: The factor at the end, in [0, 1].
    """

    def __init__(self, after: float = 0.5, end: float = 0.0) -> None:
        super().__init__(after, end)
