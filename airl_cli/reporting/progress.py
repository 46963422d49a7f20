"""How training is going: a live line on a terminal, now and then a log line elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from airl_cli.reporting.table import number

Clock = Callable[[], float]
"""Seconds from any fixed moment on; monotonic."""

_SECONDS_BETWEEN_LINES = 10.0
_LINES_PER_RUN = 10
_SECONDS_AT_MOST = 60.0
_SECONDS_BETWEEN_FRAMES = 0.1
_BAR_WIDTH = 20


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


class _Rounds:
    """Counts rounds and words what is known about them."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.done = self.done_before = 0
        self.total: int | None = None
        self.began = clock()
        self.references = ""
        self.last_return = math.nan

    def start(
        self,
        total_rounds: int | None,
        *,
        expert_return: float,
        random_return: float,
        done: int = 0,
    ) -> None:
        self.total = total_rounds
        self.done = self.done_before = done
        self.began = self.clock()
        known = {"expert": expert_return, "random": random_return}
        parts = [f"{name} {number(value)}" for name, value in known.items() if value == value]
        self.references = f" ({', '.join(parts)})" if parts else ""

    def eta(self) -> str:
        timed = self.done - self.done_before
        if not self.total or not timed:
            return "-"
        left = (self.clock() - self.began) * (self.total - self.done) / timed
        minutes, seconds = divmod(round(left), 60)
        return f"{minutes}:{seconds:02d}"

    def words(self, stats: Mapping[str, float]) -> list[str]:
        def get(name: str) -> float:
            return stats.get(name, math.nan)

        # Long episodes end in few of the rounds: show the newest return there is.
        if math.isfinite(get("true_return_mean")):
            self.last_return = get("true_return_mean")
        of_total = f"/{self.total}" if self.total else ""
        return [
            f"round {self.done}{of_total}",
            f"{number(get('env_steps'), ',.0f')} steps",
            f"{number(get('steps_per_second'), ',.0f')} steps/s",
            f"ETA {self.eta()}",
            f"return {number(self.last_return)}{self.references}",
            f"disc. accuracy {number(get('disc_acc'), '.2f')}",
            f"loss {number(get('disc_loss'), '.2f')}",
        ]


class LogProgress:
    """A line every ten seconds or every tenth of the rounds, whichever comes later.

    At least one a minute, though, and one for the first and for the last round.

    Args:
        report: Takes a line.
        clock: Tells the time.
    """

    def __init__(self, report: Callable[[str], None], clock: Clock = time.monotonic) -> None:
        self._report = report
        self._rounds = _Rounds(clock)
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
        self._rounds.start(
            total_rounds, expert_return=expert_return, random_return=random_return, done=done
        )

    def update(self, stats: Mapping[str, float]) -> None:
        """Say a line if it is time for one."""
        rounds = self._rounds
        rounds.done += 1
        now = rounds.clock()
        words = rounds.words(stats)
        waited = now - self._said_at
        tenth = (rounds.done - self._said_round) * _LINES_PER_RUN >= (rounds.total or 0)
        due = waited >= _SECONDS_AT_MOST or (waited >= _SECONDS_BETWEEN_LINES and tenth)
        if due or rounds.done == rounds.total:
            self._said_at, self._said_round = now, rounds.done
            self._report(", ".join(words))

    def stop(self) -> None:
        """Nothing to end."""


class LiveProgress:
    """One line at the bottom of a terminal, rewritten in place.

    Args:
        console: A terminal.
        clock: Tells the time.
    """

    def __init__(self, console: Console, clock: Clock = time.monotonic) -> None:
        # Refreshed by hand: a refresh thread would have to survive environments that fork.
        self._live = Live(console=console, auto_refresh=False, transient=False)
        self._rounds = _Rounds(clock)
        self._shown_at = -math.inf
        self._running = False

    def start(
        self,
        total_rounds: int | None,
        *,
        expert_return: float,
        random_return: float,
        done: int = 0,
    ) -> None:
        """Take the line."""
        self._rounds.start(
            total_rounds, expert_return=expert_return, random_return=random_return, done=done
        )
        self._live.start()
        self._running = True

    def update(self, stats: Mapping[str, float]) -> None:
        """Rewrite the line; at most some times a second, and always for the last round."""
        rounds = self._rounds
        rounds.done += 1
        now = rounds.clock()
        due = now - self._shown_at >= _SECONDS_BETWEEN_FRAMES or rounds.done == rounds.total
        self._live.update(self._line(stats), refresh=due)
        if due:
            self._shown_at = now

    def _line(self, stats: Mapping[str, float]) -> Table:
        first, *rest = self._rounds.words(stats)
        line = Table.grid(padding=(0, 1))
        total = self._rounds.total
        bar = ProgressBar(total=total, completed=self._rounds.done, width=_BAR_WIDTH)
        line.add_row(first, bar, "  ".join(rest))
        return line

    def stop(self) -> None:
        """Leave the last line standing."""
        if self._running:
            self._running = False
            self._live.stop()


def make_progress(*, verbose: bool, live: bool, report: Callable[[str], None]) -> Progress:
    """The progress display that suits the place.

    Args:
        verbose: False: show nothing.
        live: Whether a live line is wanted; it needs a terminal on standard error, too.
        report: Takes log lines where there is no live line.
    """
    if not verbose:
        return SilentProgress()
    console = Console(stderr=True)
    if live and console.is_terminal:
        return LiveProgress(console)
    return LogProgress(report)
