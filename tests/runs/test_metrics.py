"""The CSV file of a run."""

import math
from pathlib import Path

import pytest

from airl_cli.errors import InvalidValueError, NotFoundError
from airl_cli.runs.metrics import MetricsWriter, read_metrics


def test_the_first_row_fixes_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    writer = MetricsWriter(path)
    writer.write({"round": 0, "x": 1.5, "y": math.nan})
    writer.write({"round": 1, "x": math.inf, "surplus": 3.0})
    writer.close()
    assert path.read_text().splitlines()[0] == "round,x,y"
    first, second = read_metrics(path)
    assert (first["round"], first["x"]) == (0.0, 1.5)
    assert math.isnan(first["y"])
    assert math.isnan(second["y"])
    assert second["x"] == math.inf
    assert "surplus" not in second


def test_a_last_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("a,b\n1,2\n3")
    assert read_metrics(path) == [{"a": 1.0, "b": 2.0}]


def test_damage_and_absence_are_said(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    with pytest.raises(NotFoundError, match="cannot read"):
        read_metrics(path)
    path.write_text("")
    assert read_metrics(path) == []
    for text in ("a,b\nx,2\n", "a,b\n1\n1,2\n"):
        path.write_text(text)
        with pytest.raises(InvalidValueError, match="is damaged"):
            read_metrics(path)
