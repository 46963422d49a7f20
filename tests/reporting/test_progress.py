"""What people see while training runs."""

import io
import math

import pytest
from rich.console import Console

from airl_cli.reporting.progress import (
    LiveProgress,
    LogProgress,
    Progress,
    SilentProgress,
    make_progress,
)

STATS = {
    "env_steps": 2048.0,
    "steps_per_second": 3000.4,
    "true_return_mean": 123.45,
    "disc_acc": 0.71,
    "disc_loss": 0.523,
}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def log_progress(total: int | None) -> tuple[LogProgress, list[str], Clock]:
    lines: list[str] = []
    clock = Clock()
    progress = LogProgress(lines.append, clock)
    progress.start(total, expert_return=500, random_return=30)
    return progress, lines, clock


def test_a_line_says_round_speed_return_and_discriminator() -> None:
    progress, lines, clock = log_progress(40)
    clock.now = 2.0
    progress.update(STATS)
    assert lines == [
        "round 1/40, 2,048 steps, 3,000 steps/s, ETA 1:18, "
        "return 123.5 (expert 500.0, random 30.0), disc. accuracy 0.71, loss 0.52"
    ]


def test_lines_come_every_ten_seconds_or_tenth_whichever_is_later_but_each_minute() -> None:
    progress, lines, clock = log_progress(100)
    for _ in range(100):
        clock.now += 3.0  # ten rounds take half a minute
        progress.update(STATS)
    rounds = [int(line.split()[1].split("/")[0]) for line in lines]
    assert rounds == [1, 11, 21, 31, 41, 51, 61, 71, 81, 91, 100]
    progress, lines, clock = log_progress(100)
    for _ in range(100):
        clock.now += 0.5  # ten seconds are twenty rounds
        progress.update(STATS)
    assert [int(line.split()[1].split("/")[0]) for line in lines] == [1, 21, 41, 61, 81, 100]
    progress, lines, clock = log_progress(100)
    for _ in range(50):
        clock.now += 20.0
        progress.update(STATS)
    assert [int(line.split()[1].split("/")[0]) for line in lines][:4] == [1, 4, 7, 10]


def test_unknown_totals_and_values_are_dashes() -> None:
    lines: list[str] = []
    clock = Clock()
    progress = LogProgress(lines.append, clock)
    progress.start(None, expert_return=math.nan, random_return=math.nan)
    progress.update({"true_return_mean": math.nan})
    assert lines == [
        "round 1, - steps, - steps/s, ETA -, return -, disc. accuracy -, loss -",
    ]
    clock.now = 11
    progress.update(STATS)
    assert lines[-1].startswith("round 2, 2,048 steps")


def test_the_newest_known_return_is_shown() -> None:
    progress, lines, clock = log_progress(2)
    progress.update(STATS)
    progress.update({**STATS, "true_return_mean": math.nan})
    assert "round 2/2" in lines[-1]
    assert "return 123.5" in lines[-1]


def test_the_live_line_is_rewritten_and_stays_with_the_last_round() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=200)
    clock = Clock()
    progress = LiveProgress(console, clock)
    progress.start(3, expert_return=500, random_return=30)
    for _ in range(3):
        progress.update(STATS)  # the clock stands still: only first and last are drawn
    progress.stop()
    progress.stop()
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "round 1/3" in text
    assert "round 2/3" not in text
    assert "round 3/3" in text
    assert "expert 500.0" in text


@pytest.mark.parametrize("progress", [SilentProgress(), LiveProgress(Console(file=io.StringIO()))])
def test_stopping_without_a_start_is_fine(progress: Progress) -> None:
    progress.stop()


def test_the_display_suits_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    assert isinstance(make_progress(verbose=False, live=True, report=lines.append), SilentProgress)
    monkeypatch.setattr(Console, "is_terminal", True)
    assert isinstance(make_progress(verbose=True, live=True, report=lines.append), LiveProgress)
    assert isinstance(make_progress(verbose=True, live=False, report=lines.append), LogProgress)
    monkeypatch.setattr(Console, "is_terminal", False)
    assert isinstance(make_progress(verbose=True, live=True, report=lines.append), LogProgress)


def test_silence_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    progress = SilentProgress()
    progress.start(1, expert_return=1, random_return=0)
    progress.update(STATS)
    progress.stop()
    assert capsys.readouterr() == ("", "")
