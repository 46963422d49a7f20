"""Same seed, same machine, same thread count: the same run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from support import faults
from support.cli import Airl

ROUNDS = 3


def run(kind: str, path: Path, *more: str) -> Path:
    arguments = faults.command(kind, ROUNDS, f"hydra.run.dir={path}", *more)
    faults.run_to_end(arguments, path.with_suffix(".txt"))
    return path


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """One run of each kind, for comparison."""
    root = tmp_path_factory.mktemp("first")

    def make(kind: str) -> Path:
        path = root / kind
        return path if path.exists() else run(kind, path)

    return make


@pytest.mark.parametrize("kind", faults.GENERATORS)
def test_a_repeated_run_is_the_same_to_the_bit(
    kind: str, tmp_path: Path, first: Callable[[str], Path]
) -> None:
    assert list(faults.differences(run(kind, tmp_path / "second"), first(kind))) == []


def test_worker_processes_and_threads_change_nothing(airl: Airl, tmp_path: Path) -> None:
    for vectorization in ("dummy", "subproc", "threads"):
        few = ("env.n_envs=2", "generator.n_steps=128", f"env.vectorization={vectorization}")
        # Not in a fork: the server that workers are forked from would be another process's child.
        place = f"hydra.run.dir={tmp_path / vectorization}"
        assert airl(*faults.command("ppo", ROUNDS, place, *few)).code == 0
    assert list(faults.differences(tmp_path / "subproc", tmp_path / "dummy")) == []
    assert list(faults.differences(tmp_path / "threads", tmp_path / "dummy")) == []


def test_how_often_checkpoints_are_written_changes_nothing(
    tmp_path: Path, first: Callable[[str], Path]
) -> None:
    always = run("sac", tmp_path / "always", "trainer.checkpoint_every=1")
    assert list(faults.differences(always, first("sac"))) == []


def test_another_seed_is_another_run(tmp_path: Path, first: Callable[[str], Path]) -> None:
    other = run("a2c", tmp_path / "other", "seed=1")
    assert {"metrics.csv", "result.json"} <= set(faults.differences(other, first("a2c")))
