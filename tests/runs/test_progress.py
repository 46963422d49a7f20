"""What people see while training runs."""

import io
import logging
import math
import re
import sys
from collections.abc import Callable

import pytest
from rich.console import Console

from airl_cli.runs.progress import LiveProgress, LogProgress, Progress, Rounds, make_progress

STATS = {
    "env_steps": 2048.0,
    "steps_per_second": 3000.4,
    "true_return_mean": 123.45,
    "disc_acc": 0.71,
    "disc_loss": 0.523,
    "reward_scale": 1.234,
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
        "return 123.5 (expert 500.0, random 30.0), "
        "disc. accuracy 0.71, loss 0.52, reward scale 1.23"
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


def test_what_is_unknown_is_a_dash_and_what_does_not_exist_is_left_out() -> None:
    lines: list[str] = []
    clock = Clock()
    progress = LogProgress(lines.append, clock)
    progress.start(None, expert_return=math.nan, random_return=math.nan)
    progress.update({"true_return_mean": math.nan, "disc_acc": math.nan})
    assert lines == ["round 1, - steps, - steps/s, ETA -, return -, disc. accuracy -"]
    clock.now = 11
    progress.update(STATS)
    assert lines[-1].startswith("round 2, 2,048 steps")


@pytest.mark.parametrize(
    ("seconds", "eta"), [(0.2, "ETA 0:01"), (30, "ETA 2:00"), (1000, "ETA 1:06:40")]
)
def test_the_time_left_is_that_of_the_rounds_since_the_start(seconds: float, eta: str) -> None:
    clock = Clock()
    rounds = Rounds(clock)
    rounds.start(105, expert=1, random=0, done=100)
    assert rounds.eta == "ETA -"
    clock.now = seconds
    rounds.add(STATS)
    assert rounds.eta == eta


def test_the_newest_known_return_is_shown() -> None:
    progress, lines, clock = log_progress(2)
    progress.update(STATS)
    progress.update({**STATS, "true_return_mean": math.nan})
    assert "round 2/2" in lines[-1]
    assert "return 123.5" in lines[-1]


def live(width: int) -> tuple[LiveProgress, Console, Clock]:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    clock = Clock()
    return LiveProgress(console, clock), console, clock


def screens(console: Console) -> list[list[str]]:
    """What the terminal showed, one after the other, without its control sequences."""
    text = console.file.getvalue()  # type: ignore[attr-defined]
    shown = re.split(r"(?:\x1b\[\dA|\x1b\[2K|\r)+", text)
    plain = [re.sub(r"\x1b\[[?\d]*[a-zA-Z]", "", screen).splitlines() for screen in shown]
    return [[line.rstrip() for line in lines] for lines in plain if any(lines)]


@pytest.mark.parametrize("width", [80, 120])
def test_the_live_display_shows_everything_in_few_lines(width: int) -> None:
    progress, console, _ = live(width)
    progress.start(3, expert_return=500, random_return=30)
    for _ in range(3):
        progress.update(STATS)  # the clock stands still: only first and last are drawn
    progress.stop()
    progress.stop()
    begun, *_, last = screens(console)
    assert begun[0].startswith("round 0/3")
    assert last[0].startswith("round 3/3")
    assert last[0].endswith("ETA 0:00")
    assert last[1:] == [
        "environment    2,048 steps   3,000 steps/s",
        "true return    123.5   expert 500.0   random 30.0   score 0.20",
        "discriminator  accuracy 0.71   loss 0.52",
        "reward scale   1.23",
    ]
    assert max(map(len, last)) < width
    assert not any(screen[0].startswith("round 2/3") for screen in screens(console))


def test_what_is_logged_meanwhile_stands_above_the_display(
    monkeypatch: pytest.MonkeyPatch, root_logger: None
) -> None:
    progress, console, _ = live(80)
    terminal = console.file
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdout", terminal)
    handler = logging.StreamHandler(terminal)
    logging.getLogger().addHandler(handler)
    progress.start(3, expert_return=500, random_return=30)
    progress.update(STATS)
    logging.warning("the disk is nearly full")
    screen = screens(console)[-1]
    assert screen[0] == "the disk is nearly full"
    assert screen[1].startswith("round 1/3")
    progress.stop()
    assert handler.stream is terminal
    logging.warning("after")
    assert screens(console)[-1][-1] == "after"


@pytest.mark.parametrize(
    "kind",
    [
        lambda _: Progress(),
        lambda file: LogProgress(lambda line: print(line, file=file)),
        lambda file: LiveProgress(Console(file=file, force_terminal=True)),
    ],
    ids=["silent", "log", "live"],
)
def test_stopping_without_a_start_shows_nothing(
    kind: Callable[[io.StringIO], Progress], capsys: pytest.CaptureFixture[str]
) -> None:
    file = io.StringIO()
    kind(file).stop()
    assert file.getvalue() == ""
    assert capsys.readouterr() == ("", "")


def test_the_display_suits_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    assert type(make_progress(verbose=False, live=True, report=lines.append)) is Progress
    monkeypatch.setattr(Console, "is_terminal", True)
    assert isinstance(make_progress(verbose=True, live=True, report=lines.append), LiveProgress)
    assert isinstance(make_progress(verbose=True, live=False, report=lines.append), LogProgress)
    monkeypatch.setattr(Console, "is_dumb_terminal", True)
    assert isinstance(make_progress(verbose=True, live=True, report=lines.append), LogProgress)
    monkeypatch.setattr(Console, "is_dumb_terminal", False)
    monkeypatch.setattr(Console, "is_terminal", False)
    assert isinstance(make_progress(verbose=True, live=True, report=lines.append), LogProgress)


def test_silence_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    progress.start(1, expert_return=1, random_return=0)
    progress.update(STATS)
    progress.stop()
    assert capsys.readouterr() == ("", "")
