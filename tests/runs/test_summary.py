"""A run as text and in a notebook."""

import dataclasses
import json
from pathlib import Path

import airl_cli
from airl_cli.runs import summary


def test_a_run_prints_as_ten_lines_that_hold_its_figures(trained_run: Path) -> None:
    run = airl_cli.load_run(trained_run)
    result = json.loads((trained_run / "result.json").read_text())
    lines = str(run).splitlines()
    assert 8 <= len(lines) <= 11
    shown = dict(line.split("  ", 1) for line in lines)
    assert shown["environment"].strip() == result["env_id"]
    assert float(shown["normalised score"]) == round(result["normalized_score"], 3)
    assert repr(run) == f"LoadedRun({str(trained_run)!r})"


def test_a_notebook_shows_the_table_and_the_learning_curve(trained_run: Path) -> None:
    shown = airl_cli.load_run(trained_run)._repr_html_()
    assert "<th>learner&#x27;s return</th>" in shown
    assert "data:image/png;base64,iVBOR" in shown


def test_an_unfinished_run_says_so_and_a_missing_curve_is_left_out(trained_run: Path) -> None:
    run = dataclasses.replace(airl_cli.load_run(trained_run), result=None, path=Path("nowhere"))
    assert "the run did not finish" in str(run)
    assert "<img" not in run._repr_html_()


def test_what_was_received_is_shown_harmlessly() -> None:
    config = {"trainer": {"_target_": "a.<b>"}, "seed": "\x1b[2J", "env": {"id": "<script>"}}
    result = {
        "env_id": "<script>alert(1)</script>\x1b]0;x\x07",
        "learner_return_mean": "1",
        "expert_return_mean": float("inf"),
        "n_eval_episodes": True,
        "normalized_score": 10**400,
    }
    rows = summary.facts(Path("a\nb"), config, result)
    text, page = summary.as_text(rows), summary.as_html(rows, Path("nowhere"), result)
    assert "\x1b" not in text + page and len(text.splitlines()) == len(rows)
    assert "<script>" not in page and "<b>" not in page
    assert dict(rows)["normalised score"] == "-"
