"""`scalars.csv`."""

import csv
from pathlib import Path
from typing import Any

import pytest

from airl_cli.runs.metrics import cut_logs, log_sizes
from support.tracked import begin, play, resume


def rows(path: Path) -> list[tuple[str, str, str]]:
    with (path / "scalars.csv").open(newline="") as file:
        header, *found = csv.reader(file)
    assert header == ["step", "name", "value"]
    return [tuple(row) for row in found]


def test_every_number_is_a_line_and_the_result_too(
    tmp_path: Path, trainer: Any, evaluation: Any
) -> None:
    with begin(tmp_path / "run", ["csv"]) as run:
        play(run, trainer, 2)
        assert rows(tmp_path / "run") == [  # on disk at once
            ("100", "disc/disc_loss", "1.0"),
            ("100", "rollout/true_return_mean", "nan"),
            ("200", "disc/disc_loss", "0.5"),
            ("200", "rollout/true_return_mean", "10.0"),
        ]
        run.finish(trainer, evaluation)
    assert ("200", "result/normalized_score", "0.5") in rows(tmp_path / "run")


def test_a_resumed_run_goes_on_where_its_checkpoint_was(tmp_path: Path, trainer: Any) -> None:
    with pytest.raises(KeyError), begin(tmp_path / "run", ["csv"]) as run:
        play(run, trainer, 1)
        sizes = log_sizes(tmp_path / "run")
        play(run, trainer, 1, first=1)
        raise KeyError
    cut_logs(tmp_path / "run", sizes)
    assert {step for step, _, _ in rows(tmp_path / "run")} == {"100"}
    with resume(tmp_path / "run", ["csv"]) as run:  # without a checkpoint: from the start
        play(run, trainer, 1)
    assert [step for step, name, _ in rows(tmp_path / "run") if "loss" in name] == ["100"]
