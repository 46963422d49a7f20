"""A stopwatch for training time. Standard library only: both virtual environments import it."""

from __future__ import annotations

import time


class Stopwatch:
    """Wall-clock and processor seconds of this process, evaluation left out.

    On a machine that does nothing else, a process with one thread has equal wall-clock and
    processor time; where other programs run, the second is what it would have taken alone.

    Attributes:
        wall: Seconds on the clock while running.
        cpu: Seconds of processor time (all threads) while running.
    """

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0
        self._since: tuple[float, float] | None = None

    def start(self) -> None:
        """Goes on."""
        self._since = time.perf_counter(), time.process_time()

    def stop(self) -> None:
        """Pauses."""
        assert self._since is not None, "it does not run"
        wall, cpu = self._since
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu
        self._since = None

    def read(self) -> dict[str, float]:
        """Both, rounded to a hundredth of a second."""
        return {"wall_seconds": round(self.wall, 2), "cpu_seconds": round(self.cpu, 2)}
