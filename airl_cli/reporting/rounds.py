"""What is known about a training between two rounds, in words."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

from airl_cli.evaluation import normalized_score
from airl_cli.reporting.table import number

Clock = Callable[[], float]
"""Seconds from any fixed moment on; monotonic."""

_DISCRIMINATOR = {"accuracy": "disc_acc", "loss": "disc_loss"}


class Rounds:
    """Counts rounds, and words their figures.

    Args:
        clock: Tells the time.

    Attributes:
        clock: As given.
        done: Completed rounds.
        total: How many there will be; None: not known.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self.clock = clock
        self.done = 0
        self.total: int | None = None
        self._done_before = 0
        self._began = clock()
        self._expert = self._random = math.nan
        self._return = math.nan  # the newest: long episodes end in few of the rounds
        self._stats: Mapping[str, float] = {}

    def start(self, total: int | None, *, expert: float, random: float, done: int = 0) -> None:
        """Training begins, or goes on after `done` rounds; returns not known are NaN."""
        self.total, self.done, self._done_before = total, done, done
        self._expert, self._random = expert, random
        self._began = self.clock()

    def add(self, stats: Mapping[str, float]) -> None:
        """A round is complete; `stats` as those of a `RoundTrainer`."""
        self.done += 1
        self._stats = stats
        if math.isfinite(self._get("true_return_mean")):
            self._return = self._get("true_return_mean")

    def _get(self, name: str) -> float:
        return self._stats.get(name, math.nan)

    @property
    def round(self) -> str:
        """Which one it is, of how many."""
        return f"{self.done:,}/{self.total:,}" if self.total else f"{self.done:,}"

    @property
    def steps(self) -> str:
        """Environment steps so far."""
        return f"{number(self._get('env_steps'), ',.0f')} steps"

    @property
    def speed(self) -> str:
        """Environment steps a second, in the newest round."""
        return f"{number(self._get('steps_per_second'), ',.0f')} steps/s"

    @property
    def eta(self) -> str:
        """Time that the rounds to come will take, as long as those since the start took."""
        timed = self.done - self._done_before
        if not self.total or not timed:
            return "ETA -"
        left = (self.clock() - self._began) * (self.total - self.done) / timed
        return f"ETA {_duration(left)}"

    @property
    def learner_return(self) -> str:
        """The newest true return of the learner."""
        return number(self._return)

    @property
    def references(self) -> list[str]:
        """True returns to compare it with."""
        known = {"expert": self._expert, "random": self._random}
        return [f"{name} {number(value)}" for name, value in known.items() if math.isfinite(value)]

    @property
    def score(self) -> str | None:
        """Where the learner stands between random (0) and expert (1), if all three are known."""
        score = normalized_score(self._return, self._random, self._expert)
        return f"score {score:.2f}" if math.isfinite(score) else None

    @property
    def discriminator(self) -> list[str]:
        """Accuracy and loss of its newest update; empty where there is no discriminator."""
        return [
            f"{word} {number(self._get(name), '.2f')}"
            for word, name in _DISCRIMINATOR.items()
            if name in self._stats
        ]

    @property
    def reward_scale(self) -> str | None:
        """What the generator's reward is divided by."""
        return number(self._get("reward_scale"), ".3g") if "reward_scale" in self._stats else None

    def line(self) -> str:
        """Everything in one line."""
        references = f" ({', '.join(self.references)})" if self.references else ""
        parts = [f"round {self.round}", self.steps, self.speed, self.eta]
        parts.append(f"return {self.learner_return}{references}")
        if self.discriminator:
            parts.append(f"disc. {', '.join(self.discriminator)}")
        if self.reward_scale is not None:
            parts.append(f"reward scale {self.reward_scale}")
        return ", ".join(parts)


def _duration(seconds: float) -> str:
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"
