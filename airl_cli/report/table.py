"""What the tables of a report show: for people (`brief`), for programs (`full`), on a terminal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rich.console import Console
from rich.table import Table
from rich.text import Text

from airl_cli.report.groups import MISSING, shorter, shown
from airl_cli.report.record import FINISHED, STATES, RunRecord
from airl_cli.report.rows import Report, Row, SeedStatistics
from airl_cli.text import printable

Value = str | int | float

SPREAD, IQM = "mean ± std", "IQM [95 % interval]"
RETURN = "return"
_WIDE = 400  # columns; a file has no width
_MOST_LINES = 20


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        title: Its heading.
        value: What to compute with, and to sort by; NaN where there is nothing.
        text: What to show.
        numeric: Whether it is a column of numbers.
    """

    title: str
    value: Callable[[Row], Value]
    text: Callable[[Row], str]
    numeric: bool = True


def narrow(report: Report, rows: Sequence[Row]) -> list[Column]:
    """Columns for a terminal and one environment: those for people, without what repeats itself.

    Args:
        report: Of all environments.
        rows: Of one.
    """
    groups = [row.group for row in rows]
    keys = [key for key in report.keys if len({group.config.get(key) for group in groups}) > 1]
    columns = brief(replace(report, rows=rows, keys=keys))
    scored = {"score", "transfer"} & {column.title.partition(":")[0] for column in columns}
    left_out = {"environment", "command"}
    left_out |= {f"{RETURN}: {IQM}"} if "score" in scored else set()
    left_out |= {f"transfer: {SPREAD}"} if "transfer" in scored else set()
    return [column for column in columns if column.title not in left_out]


def brief(report: Report) -> list[Column]:
    """Columns for people; those that would be empty are left out."""
    share = f"{report.options.expert_share:.0%}".replace("%", " %")
    columns = [
        *_naming(report, shorter(list(report.keys))),
        Column("seeds", lambda row: row.returns.n, lambda row: str(row.returns.n)),
        _spread(RETURN, lambda row: row.returns, return_text),
        _middle(RETURN, lambda row: row.returns, return_text),
        _spread("score", lambda row: row.scores, score_text),
        _middle("score", lambda row: row.scores, score_text),
        _spread("transfer", lambda row: row.transfer, score_text),
        _middle("transfer", lambda row: row.transfer, score_text),
        Column(f"steps to {share}", lambda row: row.steps, lambda row: _time(row, row.steps)),
        Column(f"seconds to {share}", lambda row: row.seconds, _seconds_text),
        Column(
            "not finished",
            lambda row: len(row.group.runs) - row.group.count(FINISHED),
            unfinished_text,
        ),
    ]
    return [c for c in columns if not c.numeric or _says_anything(c, report.rows)]


def full(report: Report) -> list[Column]:
    """Columns for programs: one number each, under names that stay."""
    columns = [*_naming(report, list(report.keys), always=True)]
    for name, summary in _SUMMARIES.items():
        columns += _numbers(name, summary)
    columns += [
        _plain("expert_return", lambda row: row.expert),
        _plain("random_return", lambda row: row.random),
        _plain("steps_to_expert_share", lambda row: row.steps),
        _plain("seconds_to_expert_share", lambda row: row.seconds),
        _plain("expert_share", lambda row: report.options.expert_share),
        _plain("reached", lambda row: row.reached),
        _plain("repeats_not_counted", lambda row: len(row.group.repeats)),
    ]
    return columns + [_counts(state) for state in STATES]


def _numbers(name: str, of: Callable[[Row], SeedStatistics]) -> list[Column]:
    return [
        _plain(f"{name}_n", lambda row: of(row).n),
        _plain(f"{name}_mean", lambda row: of(row).mean),
        _plain(f"{name}_std", lambda row: of(row).std),
        _plain(f"{name}_iqm", lambda row: of(row).iqm),
        _plain(f"{name}_iqm_low", lambda row: of(row).low),
        _plain(f"{name}_iqm_high", lambda row: of(row).high),
    ]


def _counts(state: str) -> Column:
    return _plain(state, lambda row: row.group.count(state))


_SUMMARIES: dict[str, Callable[[Row], SeedStatistics]] = {
    "return": lambda row: row.returns,
    "score": lambda row: row.scores,
    "transfer": lambda row: row.transfer,
}


def _naming(report: Report, titles: Sequence[str], always: bool = False) -> list[Column]:
    """Number, environment, command and what tells the groups apart."""
    columns = [
        Column("#" if not always else "group", lambda row: row.number, lambda row: str(row.number)),
        Column("environment", lambda row: row.group.env_id, lambda row: row.group.env_id, False),
    ]
    if always or len({row.group.command for row in report.rows}) > 1:
        command = Column("command", lambda r: r.group.command, lambda r: r.group.command, False)
        columns.append(command)
    return columns + [_setting(key, t) for key, t in zip(report.keys, titles, strict=True)]


def _setting(key: str, title: str) -> Column:
    def text(row: Row) -> str:
        return shown(key, row.group.config.get(key))

    def value(row: Row) -> Value:
        shown_text = text(row)
        try:
            number = float(shown_text)
        except ValueError:
            return shown_text
        if not math.isfinite(number):
            return shown_text
        return int(number) if shown_text.lstrip("-").isdecimal() else number

    return Column(title, value, text, numeric=False)


def _spread(title: str, of: Callable[[Row], SeedStatistics], text: Callable[..., str]) -> Column:
    def cell(row: Row) -> str:
        s = of(row)
        if not s.n:
            return MISSING
        return text(s.mean, s) + (f" ± {text(s.std, s)}" if s.n > 1 else "")

    return Column(f"{title}: {SPREAD}", lambda row: of(row).mean, cell)


def _middle(title: str, of: Callable[[Row], SeedStatistics], text: Callable[..., str]) -> Column:
    def cell(row: Row) -> str:
        s = of(row)
        if not s.n:
            return MISSING
        return f"{text(s.iqm, s)} {interval_text(s, text)}"

    return Column(f"{title}: {IQM}", lambda row: of(row).iqm, cell)


def interval_text(summary: SeedStatistics, text: Callable[..., str]) -> str:
    """The interval, or that one seed has none."""
    if summary.n == 1:
        return "(one seed)"
    return f"[{text(summary.low, summary)}, {text(summary.high, summary)}]"


def score_text(value: float, summary: SeedStatistics | None = None) -> str:
    """A normalised score."""
    return f"{value:.3f}" if math.isfinite(value) else MISSING


def return_text(value: float, summary: SeedStatistics | None = None) -> str:
    """A return, with as many decimals as its summary's size asks for."""
    if not math.isfinite(value):
        return MISSING
    size = abs(summary.mean if summary else value)
    return f"{value:,.{0 if size >= 1000 else 1 if size >= 10 else 2}f}"


def unfinished_text(row: Row) -> str:
    """How many runs are in which other state than finished."""
    counts = {state: row.group.count(state) for state in STATES if state != FINISHED}
    return ", ".join(f"{n} {state}" for state, n in counts.items() if n) or MISSING


def _time(row: Row, value: float) -> str:
    if not row.asked:
        return MISSING
    how_many = f"({row.reached}/{row.asked})"
    return f"{value:,.0f} {how_many}" if math.isfinite(value) else f"{MISSING} {how_many}"


def _seconds_text(row: Row) -> str:
    return f"{row.seconds:,.0f}" if math.isfinite(row.seconds) else MISSING


def _plain(name: str, value: Callable[[Row], Value]) -> Column:
    return Column(name, value, lambda row: str(value(row)))


def _says_anything(column: Column, rows: Sequence[Row]) -> bool:
    return any(column.text(row) != MISSING for row in rows)


def show(report: Report, console: Console | None = None) -> None:
    """Prints a table for each environment, and what became of the runs that are in none."""
    target = console or Console()
    if not target.is_terminal and console is None:
        target = Console(width=_WIDE)
    target.print(Text(summary(report)))
    for rows in report.panels.values():
        target.print(table(report, rows))
    for line in summary_lines(report):
        target.print(Text(line), soft_wrap=True)


def table(report: Report, rows: Sequence[Row]) -> Table:
    """A row for each group of an environment. Texts are never taken for markup."""
    command, env_id = rows[0].group.panel
    title = env_id if command == "train" else f"{env_id} ({command})"
    shown = Table(title=Text(title), title_justify="left")
    columns = narrow(report, rows)
    for column in columns:
        heading = Text(column.title.replace(": ", "\n", 1))
        shown.add_column(heading, justify="right" if column.numeric else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(Text(column.text(row)) for column in columns))
    return shown


def summary(report: Report) -> str:
    """How many runs there are, and in which states."""
    n = len(report.runs) + len(report.failed_jobs)
    counts = Counter(run.state for run in report.runs)
    counts["failed"] += len(report.failed_jobs)
    states = ", ".join(f"{count} {state}" for state, count in counts.most_common() if count)
    return f"{n} {'run' if n == 1 else 'runs'}: {states}"


def summary_lines(report: Report) -> list[str]:
    """The runs that did not finish, with their reasons."""
    troubled = [_line(run) for run in report.runs if run.state != FINISHED]
    troubled += [
        f"{printable(str(job))}: failed before it began: {printable(reason)}"
        for job, reason in report.failed_jobs.items()
    ]
    n_more = len(troubled) - _MOST_LINES
    lines = troubled[:_MOST_LINES]
    return [*lines, f"... and {n_more} more that did not finish"] if n_more > 0 else lines


def _line(run: RunRecord) -> str:
    why = f": {run.reason}" if run.reason else ""
    return f"{printable(str(run.path))}: {run.state}{why}"
