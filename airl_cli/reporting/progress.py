"""How training is going: a live display on a terminal, now and then a log line elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from rich.console import Console

from airl_cli.reporting.live import LiveProgress
from airl_cli.reporting.rounds import Clock, Rounds

_SECONDS_BETWEEN_LINES = 10.0
_LINES_PER_RUN = 10
_SECONDS_AT_MOST = 60.0


class Progress(Protocol):
    """Shows the rounds as they are completed."""

    def start(
        self,
        total_rounds: int | None,
        *,
        expert_return: float,
        random_return: float,
        done: int = 0,
    ) -> None:
        """Training begins, or goes on after `done` rounds; returns not known are NaN."""

    def update(self, stats: Mapping[str, float]) -> None:
        """A round was completed; `stats` as `AdversarialTrainer.stats`."""

    def stop(self) -> None:
        """Training ended, for better or worse; may be called without `start`, and twice."""


class SilentProgress:
    """Shows nothing."""

    def start(
        self,
        total_rounds: int | None,
        *,
        expert_return: float,
        random_return: float,
        done: int = 0,
    ) -> None:
        """Nothing to prepare."""

    def update(self, stats: Mapping[str, float]) -> None:
        """Nothing to show."""

    def stop(self) -> None:
        """Nothing to end."""


class LogProgress:
    """A line every ten seconds or every tenth of the rounds, whichever comes later.

    At least one a minute, though, and one for the first and for the last round.

    Args:
        report: Takes a line.
        clock: Tells the time.
    """

    def __init__(self, report: Callable[[str], None], clock: Clock = time.monotonic) -> None:
        self._report = report
        self._rounds = Rounds(clock)
        self._said_at = -math.inf
        self._said_round = 0

    def start(
        self,
        total_rounds: int | None,
        *,
        expert_return: float,
        random_return: float,
        done: int = 0,
    ) -> None:
        """Remember what the rounds are compared with."""
        self._rounds.start(total_rounds, expert=expert_return, random=random_return, done=done)

    def update(self, stats: Mapping[str, float]) -> None:
        """Say a line if it is time for one."""
        rounds = self._rounds
        rounds.add(stats)
        now = rounds.clock()
        waited = now - self._said_at
        tenth = (rounds.done - self._said_round) * _LINES_PER_RUN >= (rounds.total or 0)
        due = waited >= _SECONDS_AT_MOST or (waited >= _SECONDS_BETWEEN_LINES and tenth)
        if due or rounds.done == rounds.total:
            self._said_at, self._said_round = now, rounds.done
            self._report(rounds.line())

    def stop(self) -> None:
        """Nothing to end."""


def make_progress(*, verbose: bool, live: bool, report: Callable[[str], None]) -> Progress:
    """The progress display that suits the place.

    Args:
        verbose: False: show nothing.
        live: Whether a live display is wanted; it needs a terminal on standard error, too.
        report: Takes log lines where there is no live display.
    """
    if not verbose:
        return SilentProgress()
    console = Console(stderr=True)
    if live and console.is_terminal and not console.is_dumb_terminal:
        return LiveProgress(console)
    return LogProgress(report)
