"""A display at the bottom of a terminal, rewritten while training runs."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from airl_cli.reporting.rounds import Clock, Rounds

_SECONDS_BETWEEN_FRAMES = 0.1
_WIDEST = 100
_ECHO = 4  # columns left for what the terminal says of Ctrl-C, twice: a line more would stay


class LiveProgress:
    """A bar, and lines about the return, the discriminator and the reward's scale.

    What is logged meanwhile appears above it.

    Args:
        console: A terminal.
        clock: Tells the time.
    """

    def __init__(self, console: Console, clock: Clock = time.monotonic) -> None:
        # Refreshed by hand: a refresh thread would have to survive environments that fork.
        self._live = Live(console=console, auto_refresh=False, transient=False)
        self._rounds = Rounds(clock)
        self._shown_at = -math.inf
        self._running = False
        self._redirected: list[tuple[logging.StreamHandler, Any]] = []

    def start(
        self,
        total_rounds: int | None,
        *,
        expert_return: float,
        random_return: float,
        done: int = 0,
    ) -> None:
        """Takes its lines at the bottom."""
        self._rounds.start(total_rounds, expert=expert_return, random=random_return, done=done)
        self._live.update(self._table())
        self._live.start(refresh=True)
        self._running = True
        self._redirect()

    def update(self, stats: Mapping[str, float]) -> None:
        """Rewrites them; at most some times a second, and always for the last round."""
        rounds = self._rounds
        rounds.add(stats)
        now = rounds.clock()
        due = now - self._shown_at >= _SECONDS_BETWEEN_FRAMES or rounds.done == rounds.total
        if due:
            self._shown_at = now
            self._live.update(self._table(), refresh=True)

    def _table(self) -> Table:
        rounds = self._rounds
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
        """Has log handlers that write to this terminal write above the display.

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
