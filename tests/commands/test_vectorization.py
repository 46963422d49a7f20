"""`env.vectorization` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support import faults
from support.cli import Airl

NATIVE = ["env=gym", "env.id=CartPole-v1", "env.vectorization=native", "expert.n_episodes=8"]


def job(path: Path, rounds: int, *more: str) -> list[str]:
    return faults.command("ppo", rounds, f"hydra.run.dir={path}", "env.n_envs=8", *more)


def test_a_run_in_threads_is_resumed_as_if_it_had_not_been_stopped(
    airl: Airl, tmp_path: Path
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert airl(*job(whole, 4)).code == 0
    assert airl(*job(parts, 2, "env.vectorization=threads")).code == 0
    outcome = airl("train", f"resume={parts}", f"trainer.total_timesteps={4 * 256}")
    assert outcome.code == 0, outcome.err
    assert list(faults.differences(parts, whole)) == []


def test_a_native_run_is_repeated_to_the_bit_and_resumed_with_new_episodes(
    airl: Airl, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for path in (first, second):
        outcome = airl(*job(path, 2, *NATIVE))
        assert outcome.code == 0, outcome.err
    assert list(faults.differences(first, second)) == []
    outcome = airl("train", f"resume={first}", f"trainer.total_timesteps={3 * 256}")
    assert outcome.code == 0, outcome.err
    assert "new episodes" in " ".join((outcome.out + outcome.err).split())
    assert json.loads((first / "status.json").read_text())["status"] == "finished"


def test_a_run_stays_native_or_not(airl: Airl, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert airl(*job(run, 2, *NATIVE)).code == 0
    outcome = airl("train", f"resume={run}", "env.vectorization=dummy")
    assert outcome.code == 2
    assert "env.vectorization=dummy would change the experiment" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["env=cartpole", "env.vectorization=native"], "seals/CartPole-v0 is not registered vec"),
        (["env=gym", "env.id=CartPole-v1", "env.vectorization=native", "env.history=2"], "history"),
        (
            ["env=gym", "env.id=support.sharing:Sharing-v0", "env.vectorization=threads"],
            "Sharing-v0, stepped with the same seeds and actions, give other numbers",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    airl: Airl, tmp_path: Path, arguments: list[str], words: str
) -> None:
    for command in ("train", "check"):
        place = [f"hydra.run.dir={tmp_path / 'run'}"] if command == "train" else []
        outcome = airl(command, *arguments, *place)
        assert outcome.code == 2
        assert words in outcome.err
        assert "env.vectorization=dummy" in outcome.err
        assert len(outcome.err.strip().splitlines()) == 2
    assert not (tmp_path / "run").exists()
