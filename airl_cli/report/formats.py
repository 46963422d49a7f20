"""A report's table as text for other programs: CSV, Markdown, LaTeX, JSON.

What comes from run directories is escaped in each of them: a config may hold anything.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from airl_cli.files import to_jsonable
from airl_cli.report.rows import Report
from airl_cli.report.table import Column, Value, brief, full

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#|~&!$])")
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "-": "{-}",  # two of them would become a dash
    "±": r"$\pm$",
    "–": "--",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
}


def to_csv(report: Report) -> str:
    """A row for each group, every number in a column of its own; empty where there is none."""
    columns = full(report)
    return csv_text(
        [c.title for c in columns], ([c.value(r) for c in columns] for r in report.rows)
    )


def csv_text(header: Sequence[str], rows: Iterable[Iterable[Value]]) -> str:
    """CSV of texts and numbers that no spreadsheet takes for formulas."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_csv_cell(cell) for cell in header])
    for row in rows:
        writer.writerow([_csv_cell(cell) for cell in row])
    return text.getvalue()


def _csv_cell(value: Value) -> str:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return "" if value != value else repr(value)  # NaN is not itself


def to_markdown(report: Report) -> str:
    """The table as on the terminal, in the dialect of GitHub and Pandoc."""
    columns = brief(report)
    lines = [
        _pipes(escape_markdown(c.title) for c in columns),
        _pipes("---:" if c.numeric else "---" for c in columns),
        *(_pipes(escape_markdown(c.text(row)) for c in columns) for row in report.rows),
    ]
    return "\n".join([*lines, "", *(escape_markdown(note) for note in notes(report)), ""])


def _pipes(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as it is; HTML included."""
    return _MARKDOWN.sub(r"\\\1", text)


def to_latex(report: Report) -> str:
    """A `tabular` in the style of the package `booktabs`."""
    columns = brief(report)
    lines = [
        *(f"% {note}" for note in notes(report)),
        r"% \usepackage{booktabs,textcomp} \usepackage[T1]{fontenc}",
        rf"\begin{{tabular}}{{{''.join('r' if c.numeric else 'l' for c in columns)}}}",
        r"\toprule",
        _ampersands(columns, [c.title for c in columns]),
        r"\midrule",
        *(_ampersands(columns, [c.text(row) for c in columns]) for row in report.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join([*lines, ""])


def _ampersands(columns: Sequence[Column], texts: Sequence[str]) -> str:
    cells = zip(columns, texts, strict=True)
    return " & ".join(_latex_cell(text, column.numeric) for column, text in cells) + r" \\"


def _latex_cell(text: str, numeric: bool) -> str:
    escaped = escape_latex(text)
    # Minus signs, not hyphens, in front of numbers.
    return re.sub(r"\{-\}(?=\d)", "$-$", escaped) if numeric else escaped


def escape_latex(text: str) -> str:
    r"""Text that LaTeX sets as it is; a `[` is wrapped, since `\\` in front would take it."""
    escaped = "".join(_LATEX.get(c, c if ord(c) < 0x180 else "?") for c in text)
    return f"{{{escaped}}}" if escaped.startswith(("[", "*")) else escaped


def to_json(report: Report) -> str:
    """The rows of the CSV, and what became of every run."""
    columns = full(report)
    content = {
        "groups": [{c.title: c.value(row) for c in columns} for row in report.rows],
        "runs": [
            {"path": str(run.path), "state": run.state, "reason": run.reason, "seed": run.seed}
            for run in report.runs
        ],
        "failed_jobs": {str(path): reason for path, reason in report.failed_jobs.items()},
        "pairs": [
            {**vars(pair), "first": pair.first.number, "second": pair.second.number}
            for pair in report.pairs
        ],
        "notes": notes(report),
    }
    return json.dumps(to_jsonable(content), indent=2, allow_nan=False) + "\n"


def notes(report: Report) -> list[str]:
    """How the numbers came about, in whole sentences."""
    options = report.options
    lines = [
        "Mean ± sample standard deviation over seeds; IQM: interquartile mean, with its 95 % "
        f"percentile-bootstrap interval over seeds ({options.n_resamples:,} resamples); with "
        "fewer than about ten seeds such intervals are too narrow.",
        "Score: 0 for random actions, 1 for the expert. Steps and seconds of training until the "
        f"first round with a score of {options.expert_share:g} or more: median over seeds, those "
        "that never got there included (reached/seeds).",
    ]
    if report.pairs:
        lines.append(
            "Pairs: difference of the IQMs, and the probability that a seed of the first group is "
            "better than one of the second (ties count one half), with 95 % bootstrap intervals."
        )
    n_repeats = sum(len(row.group.repeats) for row in report.rows)
    if n_repeats:
        lines.append(f"Not counted: {n_repeats} runs whose seed was run again later.")
    counted = [run for row in report.rows for run in row.group.counted]
    if not all(run.has_scale for run in counted):
        lines.append(
            "Runs whose expert is unknown, or no better than random actions, have no score."
        )
    return lines


WRITERS: Mapping[str, tuple[str, Callable[[Report], str]]] = {
    "csv": ("report.csv", to_csv),
    "md": ("report.md", to_markdown),
    "latex": ("report.tex", to_latex),
    "json": ("report.json", to_json),
}
"""By format: the file's name, and what makes its content."""
