"""The report on a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from airl_cli.reporting.report.columns import narrow
from airl_cli.reporting.report.record import FINISHED, RunRecord
from airl_cli.reporting.report.rows import Report, Row
from airl_cli.text import printable

_WIDE = 400  # columns; a file has no width
_MOST_LINES = 20


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
