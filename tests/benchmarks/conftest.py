"""The benchmarks are no part of the package: they are found from the root of the repository."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def root_on_path(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2])


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only when told to: `clock(3)`."""
    now = [0.0]
    for name in ("process_time", "perf_counter"):
        monkeypatch.setattr(f"time.{name}", lambda: now[0])

    def passes(seconds):
        now[0] += seconds

    return passes
