"""The final table."""

import io
import math

import numpy as np
from rich.console import Console

from airl_cli.evaluation import Evaluation
from airl_cli.evaluation.tables import number


def render(evaluation: Evaluation) -> list[str]:
    console = Console(file=io.StringIO(), width=120)
    console.print(evaluation.table())
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def row(lines: list[str], name: str) -> list[str]:
    (line,) = (line for line in lines if f" {name} " in line and "│" in line)
    return [cell.strip() for cell in line.strip("│").split("│")]


def test_every_policy_has_a_row_with_its_figures() -> None:
    lines = render(
        Evaluation("x-v0", 0, np.array([400.0, 500.0]), np.full(3, 500.0), np.full(2, 0.0))
    )
    assert "True return in x-v0" in lines[0]
    assert row(lines, "learner") == ["learner", "450.0", "50.0", "[400.0, 500.0]", "2", "0.900"]
    assert row(lines, "expert") == ["expert", "500.0", "0.0", "[500.0, 500.0]", "3", "1.000"]
    assert row(lines, "random") == ["random", "0.0", "0.0", "[0.0, 0.0]", "2", "0.000"]


def test_an_unknown_expert_is_a_row_of_dashes() -> None:
    lines = render(Evaluation("x-v0", 0, np.array([1.0]), np.array([]), np.array([0.0])))
    assert row(lines, "expert") == ["expert", "-", "-", "-", "0", "-"]
    assert row(lines, "learner") == ["learner", "1.0", "0.0", "-", "1", "-"]


def test_numbers_are_written_for_people() -> None:
    assert number(12345.678) == "12,345.7"
    assert number(-0.04) == "-0.04" and number(-0.004) == "0.00" and number(7.0) == "7.0"
    assert number(math.nan) == number(math.inf) == "-"
