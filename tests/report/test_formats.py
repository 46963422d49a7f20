"""Tables for other programs: nothing from a run directory is taken for a command."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from airl_cli.report import table as console
from airl_cli.report.find import find_runs
from airl_cli.report.formats import (
    escape_latex,
    escape_markdown,
    to_csv,
    to_json,
    to_latex,
    to_markdown,
)
from airl_cli.report.rows import Options, Report, make_report
from support.run_directories import make_run

HOSTILE = ["=cmd|' /C calc'!A0", "@SUM(1)", "| a\nb & \\input{x} <script>", "[red]x[/red]\x1b[2J"]


def report_of(folder: Path) -> Report:
    return make_report(find_runs([str(folder)]), Options(n_resamples=200))


@pytest.fixture
def two_groups(tmp_path: Path) -> Report:
    folder = tmp_path / "two"
    for seed, returns in enumerate((400.0, 500.0)):
        make_run(folder / f"a{seed}", seed=seed, returns=returns, curve=[0, 480])
    make_run(folder / "b", generator__learning_rate=-0.5, returns=50.0)
    make_run(folder / "c", generator__learning_rate=-0.5, status="failed", seed=1)
    return report_of(folder)


@pytest.fixture
def hostile(tmp_path: Path) -> Report:
    for n, value in enumerate(HOSTILE):
        make_run(tmp_path / "hostile" / str(n), generator__policy=value)
    return report_of(tmp_path / "hostile")


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_has_every_number_in_a_column_of_its_own(two_groups: Report) -> None:
    first, second = rows_of(to_csv(two_groups))
    assert first["environment"] == "seals/CartPole-v0"
    assert (first["return_n"], first["return_mean"], first["score_mean"]) == ("2", "450.0", "0.9")
    assert float(first["return_std"]) == pytest.approx(70.71067811865476)
    assert (first["return_iqm_low"], first["return_iqm_high"]) == ("400.0", "500.0")
    assert (first["steps_to_expert_share"], first["reached"]) == ("2000.0", "2")
    assert second["generator.learning_rate"] == "-0.5"  # a number, no formula
    assert (second["return_std"], second["return_iqm_low"]) == ("", "")  # one seed
    assert (second["steps_to_expert_share"], second["failed"]) == ("inf", "1")


def test_csv_holds_nothing_that_a_spreadsheet_computes(hostile: Report) -> None:
    values = {row["generator.policy"] for row in rows_of(to_csv(hostile))}
    assert "'=cmd|' /C calc'!A0" in values
    assert "'@SUM(1)" in values
    assert not any(value.startswith(("=", "@", "+", "-")) for value in values)
    assert "[red]x[/red]\\x1b[2J" in values


def test_markdown_is_one_table_whatever_is_in_it(hostile: Report) -> None:
    lines = to_markdown(hostile).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + len(HOSTILE)
    unescaped = [line.replace("\\\\", "").replace("\\|", "").count("|") for line in table]
    assert len(set(unescaped)) == 1
    assert "<script>" not in "\n".join(lines)
    assert r"\<script\>" in "\n".join(lines)
    assert escape_markdown("[a](b) *c* `d`") == r"\[a\]\(b\) \*c\* \`d\`"


def test_latex_escapes_what_it_would_act_on(hostile: Report, two_groups: Report) -> None:
    text = to_latex(hostile)
    assert r"\input{x}" not in text
    assert r"\textbackslash{}input\{x\}" in text
    rows = text.partition(r"\midrule")[2].partition(r"\bottomrule")[0].strip().splitlines()
    assert len(rows) == len(HOSTILE)
    assert len({row.replace(r"\&", "").count("&") for row in rows}) == 1
    assert escape_latex("50 % of_$x^2~#") == (
        r"50 \% of\_\$x\textasciicircum{}2\textasciitilde{}\#"
    )
    assert escape_latex("日本") == "??"  # what pdflatex has no letters for
    assert r"450.0 $\pm$ 70.7" in to_latex(two_groups)


def test_json_is_strict_and_lists_every_run(two_groups: Report) -> None:
    content = json.loads(to_json(two_groups), parse_constant=pytest.fail)
    assert [group["return_n"] for group in content["groups"]] == [2, 1]
    assert content["groups"][1]["return_std"] is None
    assert [run["state"] for run in content["runs"]].count("failed") == 1


def test_a_terminal_shows_texts_as_they_are(hostile: Report, two_groups: Report) -> None:
    stream = io.StringIO()
    console.show(hostile, Console(file=stream, width=200, force_terminal=True))
    assert "[red]x[/red]\\x1b[2J" in stream.getvalue()
    assert "\x1b[2J" not in stream.getvalue()
    stream = io.StringIO()
    console.show(two_groups, Console(file=stream, width=200))
    shown = stream.getvalue()
    assert "4 runs: 3 finished, 1 failed" in shown
    assert "0.100 (one seed)" in shown
    assert "0.900 [0.800, 1.000]" in shown
    assert "2,000 (2/2)" in shown
    assert "1 failed" in shown


def test_a_narrow_terminal_stacks_what_does_not_fit(tmp_path: Path) -> None:
    for seed in (0, 1):
        for size in (32, 64):
            make_run(
                tmp_path / f"{size}-{seed}",
                seed=seed,
                returns=400.123 + seed,
                generator__policy_kwargs__a_rather_long_name=size,
                typed=[f"generator.policy_kwargs.a_rather_long_name={size}", "reward=state_only"],
            )
    make_run(tmp_path / "failed", seed=2, status="failed")
    report = report_of(tmp_path)
    wide, narrow = io.StringIO(), io.StringIO()
    console.show(report, Console(file=wide, width=200))
    console.show(report, Console(file=narrow, width=80))
    lines = narrow.getvalue().splitlines()
    path_of_the_failed = f"{tmp_path / 'failed'}: failed"  # in one piece, to be copied
    assert path_of_the_failed in lines
    assert max(len(line) for line in lines if line != path_of_the_failed) <= 80
    assert len([line for line in lines if re.match(r"│ +\d+ │", line)]) == 3
    for text in ("400.6 ± 0.7", "0.801 [0.800, 0.802]", "a_rather_long_name", "1 failed"):
        assert text in wide.getvalue()
        assert text in narrow.getvalue()


def test_long_names_break_behind_punctuation() -> None:
    assert console.broken("potential_hid_sizes=[32, 32]", 14) == [
        "potential_hid_",
        "sizes=[32, 32]",
    ]
    assert console.broken("abcdefghij", 4) == ["abcd", "efgh", "ij"]
    assert "".join(console.broken("a.b-c/d_e=f, g", 3)) == "a.b-c/d_e=f, g"
