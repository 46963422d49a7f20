"""Training until the learner is good enough; both virtual environments import it.

Standard library only, and nothing of either library: what they have in common is enough.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.common.clock import Stopwatch


class _Reached(Exception):
    """The learner is good enough."""


def train_until(
    threshold: float, trainer: Any, max_steps: int, mean_return: Callable[[int], float]
) -> dict[str, Any]:
    """Trains, evaluating after every round on stopped clocks.

    Args:
        threshold: The mean return that ends training.
        trainer: Of either library.
        max_steps: Environment steps that end it, too.
        mean_return: Evaluates the learner after the round of that number.

    Returns:
        Whether the threshold was reached; the last point of the curve; the curve.
    """
    clock = Stopwatch()
    curve: list[dict[str, float]] = []

    def after_round(number: int) -> None:
        clock.stop()
        mean = float(mean_return(number))
        steps = trainer.gen_algo.num_timesteps
        curve.append({"env_steps": steps, "return": round(mean, 1), **clock.read()})
        if mean >= threshold:
            raise _Reached
        clock.start()

    clock.start()
    try:
        trainer.train(max_steps, after_round)
        reached = False
    except _Reached:
        reached = True
    return {"reached": reached, **curve[-1], "curve": curve}
