"""What people see while training runs: nothing, log lines or a live display."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from airl_cli.console import SafeConsole
from airl_cli.evaluation.statistics import normalized_score
from airl_cli.evaluation.tables import number

_SECONDS_BETWEEN_LINES, _SECONDS_AT_MOST = 10.0, 60.0
_LINES_PER_RUN = 10
_SECONDS_BETWEEN_FRAMES = 0.1
_WIDEST = 100
_ECHO = 4  # columns left free: a terminal prints ^C twice, and a wrapped line would stay

Clock = Callable[[], float]
"""Seconds from any fixed moment on; monotonic."""

_DISCRIMINATOR = {"accuracy": "disc_acc", "loss": "disc_loss"}


class Rounds:
    """Counts rounds, and formats their figures.

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
        """Training begins or resumes after `done` rounds; unknown returns are NaN."""
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
    def likelihood(self) -> str | None:
        """Mean log-probability of demonstrated actions, in behaviour cloning."""
        return number(self._get("log_prob"), ".3f") if "log_prob" in self._stats else None

    @property
    def reward_scale(self) -> str | None:
        """What the generator's reward is divided by."""
        return number(self._get("reward_scale"), ".3g") if "reward_scale" in self._stats else None

    def line(self) -> str:
        """Everything in one line."""
        references = f" ({', '.join(self.references)})" if self.references else ""
        if self.likelihood is not None:
            return f"round {self.round}, {self.eta}, log-likelihood {self.likelihood}"
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


class Progress:
    """Shows nothing; derived classes show the rounds as they are completed.

    Args:
        clock: Tells the time.

    Attributes:
        rounds: What is known so far.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self.rounds = Rounds(clock)

    def start(
        self,
        total_rounds: int | None,
        *,
        expert_return: float,
        random_return: float,
        done: int = 0,
    ) -> None:
        """Training begins or resumes after `done` rounds; unknown returns are NaN."""
        self.rounds.start(total_rounds, expert=expert_return, random=random_return, done=done)
        self._begin()

    def update(self, stats: Mapping[str, float]) -> None:
        """A round was completed; `stats` as `AdversarialTrainer.stats`."""
        self.rounds.add(stats)
        self._show()

    def stop(self) -> None:
        """Training ended, normally or not; may be called without `start`, and twice."""

    def _begin(self) -> None:
        """Called once `rounds` knows what it counts to."""

    def _show(self) -> None:
        """Called after each round."""


class LogProgress(Progress):
    """A line every ten seconds or every tenth of the rounds, whichever comes later.

    At least one a minute, though, and one for the first and for the last round.

    Args:
        report: Takes a line.
        clock: Tells the time.
    """

    def __init__(self, report: Callable[[str], None], clock: Clock = time.monotonic) -> None:
        super().__init__(clock)
        self._report = report
        self._reported_at = -math.inf
        self._reported_round = 0

    def _show(self) -> None:
        rounds = self.rounds
        now = rounds.clock()
        waited = now - self._reported_at
        tenth = (rounds.done - self._reported_round) * _LINES_PER_RUN >= (rounds.total or 0)
        due = waited >= _SECONDS_AT_MOST or (waited >= _SECONDS_BETWEEN_LINES and tenth)
        if due or rounds.done == rounds.total:
            self._reported_at, self._reported_round = now, rounds.done
            self._report(rounds.line())


class LiveProgress(Progress):
    """A display at the bottom of a terminal, redrawn while training runs.

    A bar, and lines about the return, the discriminator and the reward's scale. What is logged
    meanwhile appears above it.

    Args:
        console: A terminal.
        clock: Tells the time.
    """

    def __init__(self, console: Console, clock: Clock = time.monotonic) -> None:
        super().__init__(clock)
        # Refreshed by hand: a refresh thread would have to survive environments that fork.
        self._live = Live(console=console, auto_refresh=False, transient=False)
        self._shown_at = -math.inf
        self._running = False
        self._redirected: list[tuple[logging.StreamHandler, Any]] = []

    def _begin(self) -> None:
        self._live.update(self._table())
        self._live.start(refresh=True)
        self._running = True
        self._redirect()

    def _show(self) -> None:
        """Redraws at most some times a second, and always for the last round."""
        rounds = self.rounds
        now = rounds.clock()
        if now - self._shown_at >= _SECONDS_BETWEEN_FRAMES or rounds.done == rounds.total:
            self._shown_at = now
            self._live.update(self._table(), refresh=True)

    def _table(self) -> Table:
        rounds = self.rounds
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold", no_wrap=True, min_width=len("discriminator"))
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        table.width = min(_WIDEST, self._live.console.width - _ECHO)
        head = Table.grid(padding=(0, 2), expand=True)
        head.add_column(ratio=1)
        head.add_column(no_wrap=True)
        bar = ProgressBar(total=rounds.total, completed=rounds.done)
        head.add_row(bar, rounds.eta)
        table.add_row(f"round {rounds.round}", head if rounds.total else "")
        if rounds.likelihood is not None:
            table.add_row("log-likelihood", rounds.likelihood)
            return table
        table.add_row("environment", _side_by_side(rounds.steps, rounds.speed))
        table.add_row(
            "true return", _side_by_side(rounds.learner_return, *rounds.references, rounds.score)
        )
        if rounds.discriminator:
            table.add_row("discriminator", _side_by_side(*rounds.discriminator))
        if rounds.reward_scale is not None:
            table.add_row("reward scale", rounds.reward_scale)
        return table

    def stop(self) -> None:
        """Leaves the last state standing."""
        if self._running:
            self._running = False
            for handler, stream in self._redirected:
                handler.setStream(stream)
            self._redirected = []
            self._live.update(self._table())
            self._live.stop()

    def _redirect(self) -> None:
        """Makes log handlers that write to this terminal write above the display.

        They keep the stream that they were made with, and know nothing of the one that `Live`
        puts in its place.
        """
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler) and _is_terminal(handler.stream):
                self._redirected.append((handler, handler.stream))
                handler.setStream(sys.stdout)


def _side_by_side(*parts: str | None) -> str:
    return "   ".join(part for part in parts if part is not None)


def _is_terminal(stream: object) -> bool:
    return bool(getattr(stream, "isatty", bool)())


def make_progress(*, verbose: bool, live: bool, report: Callable[[str], None]) -> Progress:
    """The progress display that suits the place.

    Args:
        verbose: False: show nothing.
        live: Whether a live display is wanted; it needs a terminal on standard error, too.
        report: Takes log lines where there is no live display.
    """
    if not verbose:
        return Progress()
    console = SafeConsole(stderr=True)
    if live and console.is_terminal and not console.is_dumb_terminal:
        return LiveProgress(console)
    return LogProgress(report)
