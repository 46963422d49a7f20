"""Where the time goes. Standard library only: both virtual environments import it."""

from __future__ import annotations

import functools
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any


class Phases:
    """Processor time by phase, each moment counted for the innermost phase only.

    Attributes:
        seconds: By the phase's name.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._open: list[str] = []
        self._since = 0.0

    def wrap(self, owner: Any, method: str, phase: str) -> None:
        """Counts every call of `owner.method` for `phase`."""
        inner: Callable[..., Any] = getattr(owner, method)

        @functools.wraps(inner)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self._change()
            self._open.append(phase)
            try:
                return inner(*args, **kwargs)
            finally:
                self._change()
                self._open.pop()

        setattr(owner, method, timed)

    def _change(self) -> None:
        now = time.process_time()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now

    def shares(self, total: float) -> dict[str, float]:
        """Of `total` seconds, with the rest as `other`."""
        shares = {name: seconds / total for name, seconds in self.seconds.items()}
        shares["other"] = 1 - sum(shares.values())
        return {name: round(share, 4) for name, share in shares.items()}


def phases_of(trainer: Any, pricer: Any, price: str) -> Phases:
    """Of the rounds of a trainer of either library.

    Args:
        trainer: With a Stable-Baselines3 algorithm that learns on-policy.
        pricer: Whose method `price` computes the rewards of a rollout, or of a step.
        price: Its name.
    """
    phases = Phases()
    phases.wrap(trainer.gen_algo, "collect_rollouts", "rollout")
    phases.wrap(trainer.gen_algo, "train", "policy update")
    phases.wrap(pricer, price, "pricing")
    phases.wrap(trainer, "train_disc", "discriminator")
    return phases
