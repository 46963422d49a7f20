"""What the tables of a report show: for people (`brief`), for programs (`full`), on a terminal."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rich.console import Console
from rich.table import Table
from rich.text import Text

from airl_cli.console import SafeConsole
from airl_cli.report.groups import MISSING, shorter, shown
from airl_cli.report.record import FINISHED, STATES, RunRecord
from airl_cli.report.rows import Pair, Report, Row, SeedStatistics
from airl_cli.text import printable

Value = str | int | float

SPREAD, IQM = "mean ± std", "IQM [95 % interval]"
RETURN = "return"
_WIDE = 400  # columns; a file has no width
_WIDEST = 100_000
_NARROWEST, _BORDERS = 12, 13
_MOST_PAIRS = 10
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
    keys = [key for key in report.keys if len({group.setting(key) for group in groups}) > 1]
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
        _middle("retrain", lambda row: row.retrain, score_text),
        _middle("on the true reward", lambda row: row.true_reward, score_text),
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
    "retrain": lambda row: row.retrain,
    "true_reward": lambda row: row.true_reward,
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
        return shown(key, row.group.setting(key))

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
    target = console or SafeConsole()
    if not target.is_terminal and console is None:
        target = SafeConsole(width=_WIDE)
    target.print(Text(summary(report)))
    for panel, rows in report.panels.items():
        shown = table(report, rows)
        unbounded = target.options.update(max_width=_WIDEST)
        if target.measure(shown, options=unbounded).maximum > target.width:
            shown = stacked_table(report, rows, target.width)
        target.print(shown)
        pairs = [pair for pair in report.pairs if pair.first.group.panel == panel]
        if 0 < len(pairs) <= _MOST_PAIRS:
            target.print(pairs_table(pairs))
    for line in summary_lines(report):
        target.print(Text(line), soft_wrap=True)


def table(report: Report, rows: Sequence[Row]) -> Table:
    """A row for each group of an environment. Texts are never taken for markup."""
    shown = Table(title=_title(rows), title_justify="left")
    columns = narrow(report, rows)
    for column in columns:
        heading = Text(column.title.replace(": ", "\n", 1))
        shown.add_column(heading, justify="right" if column.numeric else "left", no_wrap=True)
    for row in rows:
        shown.add_row(*(Text(column.text(row)) for column in columns))
    return shown


def stacked_table(report: Report, rows: Sequence[Row], width: int) -> Table:
    """The same for a narrow terminal: settings and numbers of a group one below the other."""
    columns = narrow(report, rows)
    settings = [column for column in columns if not column.numeric]
    figures = [column for column in columns if column.numeric and column.title != "#"]
    cells = [
        [(c.title, line) for c in figures for line in _lines(c.text(row)) if line != MISSING]
        for row in rows
    ]
    titles = max((len(title) for row in cells for title, _ in row), default=0)
    values = max((len(value) for row in cells for _, value in row), default=0)
    left = max(_NARROWEST, width - titles - values - len(str(rows[-1].number)) - _BORDERS)
    shown = Table(title=_title(rows), title_justify="left", show_lines=True)
    for heading in ("#", "group", "", ""):
        shown.add_column(heading, no_wrap=True, justify="right" if heading == "#" else "left")
    for row, figure in zip(rows, cells, strict=True):
        names = [f"{column.title}={column.text(row)}" for column in settings]
        group = "\n".join(line for name in names for line in broken(name, left))
        texts = (str(row.number), group, *("\n".join(part) for part in zip(*figure, strict=True)))
        shown.add_row(*map(Text, texts))
    return shown


def _lines(text: str) -> list[str]:
    """A list of counts takes a line each."""
    return text.split(", ") if ", " in text and "[" not in text else [text]


def broken(text: str, width: int) -> list[str]:
    """Lines of at most `width` characters, broken behind `_ . / - , =` or a space if possible."""
    lines = [""]
    for piece in re.findall(r"[^_./\-,= ]*[_./\-,= ]|[^_./\-,= ]+", text):
        if lines[-1] and len(lines[-1]) + len(piece) > width:
            lines.append("")
        lines[-1] += piece
    return [line[i : i + width] for line in lines for i in range(0, max(1, len(line)), width)]


def pairs_table(pairs: Sequence[Pair]) -> Table:
    """Pairwise differences of an environment's groups, with their intervals."""
    shown = Table(title="pairs, 95 % intervals", title_justify="left")
    for heading in ("pair", f"{pairs[0].measure}: difference of IQM", "P(first better)"):
        shown.add_column(heading, justify="left" if heading == "pair" else "right", no_wrap=True)
    for pair in pairs:
        shown.add_row(*map(Text, pair_texts(pair)))
    return shown


def pair_texts(pair: Pair) -> tuple[str, str, str]:
    """Numbers of the groups, difference and probability of improvement."""

    def text(value: float) -> str:
        return score_text(value) if pair.measure == "score" else return_text(value)

    low, high = (text(end) for end in pair.difference_interval)
    p_low, p_high = (f"{end:.2f}" for end in pair.probability_interval)
    return (
        f"{pair.first.number} against {pair.second.number}",
        f"{text(pair.difference)} [{low}, {high}]",
        f"{pair.probability:.2f} [{p_low}, {p_high}]",
    )


def _title(rows: Sequence[Row]) -> Text:
    command, env_id = rows[0].group.panel
    return Text(env_id if command == "train" else f"{env_id} ({command})")


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
