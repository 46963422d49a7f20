"""What a run directory holds, however the run ends."""

import json
import logging
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from airl_cli.errors import AirlError, InvalidValueError, NonFiniteError
from airl_cli.runs import Run
from airl_cli.runs.checkpoint import CheckpointPlan
from airl_cli.runs.metrics import read_metrics

CONFIG = {"seed": 3, "trainer": {"total_timesteps": 300}}


def create(path: Path, **kwargs: Any) -> Run:
    return Run.create(path, config=CONFIG, verbose=False, **kwargs)


def status(path: Path) -> dict[str, Any]:
    return json.loads((path / "status.json").read_text())


def weights(path: Path, name: str) -> float:
    return load_file(path / "checkpoints" / name / "policy.safetensors")["bias"].item()


def test_a_finished_run_holds_everything(
    tmp_path: Path, trainer: Any, evaluation: Any, references: Any
) -> None:
    path = tmp_path / "a" / "run"
    with create(path) as run:
        assert status(path)["status"] == "running"
        run.set_references(**references)
        callback = run.after_round(trainer)
        for number in range(3):
            trainer.round(number)
            callback(number)
        result = run.finish(trainer, evaluation)
    files = {str(p.relative_to(path)) for p in path.rglob("*") if p.is_file()}
    assert files == {
        ".lock",
        "manifest.json",
        "config.hmac",
        "config.json",
        "environment.json",
        "evaluation.json",
        "metrics.csv",
        "provenance.json",
        "result.json",
        "spaces.json",
        "status.json",
        "checkpoints/final/policy.safetensors",
        "checkpoints/final/reward.safetensors",
        "plots/learning_curve.png",
        "plots/returns.png",
        "plots/discriminator.png",
        "plots/reward.png",
    }
    assert json.loads((path / "result.json").read_text()) == result == run.result
    assert (result["env_steps"], result["rounds"], result["seed"]) == (300, 3, 3)
    assert (result["n_demonstrations"], result["expert_seconds"]) == (2, 1.25)
    assert result["normalized_score"] == 0.5
    assert result["train_seconds"] >= 0
    assert weights(path, "final") == 3.0
    assert json.loads((path / "config.json").read_text()) == CONFIG
    assert json.loads((path / "provenance.json").read_text()) == {"source": "test"}
    assert json.loads((path / "evaluation.json").read_text())["learner_returns"] == [4.0, 8.0]
    environment = json.loads((path / "environment.json").read_text())
    assert environment["versions"]["torch"] == torch.__version__
    assert environment["torch_threads"] >= 1
    assert (status(path)["status"], status(path)["rounds"]) == ("finished", 3)


def test_metrics_are_on_disk_after_every_round(tmp_path: Path, trainer: Any) -> None:
    with pytest.raises(KeyError), create(tmp_path / "run") as run:
        callback = run.after_round(trainer)
        for number in range(2):
            trainer.round(number)
            callback(number)
            rows = read_metrics(tmp_path / "run" / "metrics.csv")
            assert [row["round"] for row in rows] == list(range(number + 1))
        raise KeyError
    assert rows[1]["true_return_mean"] == 10.0
    assert set(rows[0]) == {"round", "env_steps", "true_return_mean", "disc_loss", "seconds"}


def test_a_crash_keeps_the_last_complete_rounds_weights_and_the_reason(
    tmp_path: Path, trainer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(RuntimeError), create(tmp_path / "run") as run:
        callback = run.after_round(trainer)
        trainer.round(0)
        callback(0)
        with torch.no_grad():
            trainer.policy.weight += 1  # of a round that is never complete
        raise RuntimeError("out of luck")
    written = status(tmp_path / "run")
    assert (written["status"], written["rounds"]) == ("failed", 1)
    assert written["reason"] == "RuntimeError: out of luck"
    assert "test_run.py" in written["traceback"]
    assert weights(tmp_path / "run", "1") == 1.0
    assert "the weights after 1 round are in" in caplog.text
    assert not (tmp_path / "run" / "result.json").exists()


def test_a_failed_training_is_an_airl_error_with_weights(tmp_path: Path, trainer: Any) -> None:
    with pytest.raises(NonFiniteError), create(tmp_path / "run") as run:
        callback = run.after_round(trainer)
        trainer.round(0)
        callback(0)
        raise NonFiniteError("NaN in the discriminator loss in round 1", "Lower the rate.")
    assert status(tmp_path / "run")["reason"].startswith("NaN in the discriminator loss in round")
    assert weights(tmp_path / "run", "1") == 1.0


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_interrupted_run_keeps_weights_and_exits_like_a_shell_command(
    tmp_path: Path, trainer: Any, sent: int, code: int
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught, create(tmp_path / "run") as run:
        callback = run.after_round(trainer)
        trainer.round(0)
        callback(0)
        os.kill(os.getpid(), sent)
        for _ in range(10**8):  # the handler runs between two bytecodes
            pass
    assert caught.value.code == code
    assert (status(tmp_path / "run")["status"], status(tmp_path / "run")["rounds"]) == (
        "interrupted",
        1,
    )
    assert weights(tmp_path / "run", "1") == 1.0
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_interruption_before_the_first_round_says_that_nothing_was_learned(
    tmp_path: Path,
) -> None:
    with pytest.raises(SystemExit), create(tmp_path / "run"):
        raise KeyboardInterrupt
    assert status(tmp_path / "run")["reason"] == "KeyboardInterrupt; no round was completed"
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_mistake_before_training_leaves_no_directory(tmp_path: Path, references: Any) -> None:
    path = tmp_path / "run"
    with pytest.raises(InvalidValueError), create(path) as run:
        (path / "tensorboard").mkdir()
        (path / "train.log").touch()
        run.set_references(**references)
        raise InvalidValueError("no such thing")
    assert not path.exists()
    assert tmp_path.exists()


def test_a_mistake_in_a_multirun_leaves_its_reason(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError), create(tmp_path / "run", multirun=True):
        raise InvalidValueError("no such thing", "Use another.")
    written = status(tmp_path / "run")
    assert (written["status"], written["reason"]) == ("failed", "no such thing\nUse another.")
    assert "traceback" not in written


def test_a_mistake_removes_only_what_the_run_made(tmp_path: Path) -> None:
    path = tmp_path / "run"
    (path / "tensorboard").mkdir(parents=True)
    (path / "train.log").write_text("of another")
    with pytest.raises(AirlError), create(path):
        raise InvalidValueError("no such thing")
    assert sorted(p.name for p in path.iterdir()) == ["tensorboard", "train.log"]
    assert (path / "train.log").read_text() == "of another"


def test_what_is_more_than_preliminaries_is_never_removed(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with pytest.raises(AirlError), create(path):
        (path / "notes.txt").write_text("mine")
        raise InvalidValueError("no such thing")
    assert (path / "notes.txt").exists()
    assert status(path)["status"] == "failed"


def test_the_current_directory_is_never_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AirlError), create(Path(".")):
        raise InvalidValueError("no such thing")
    assert tmp_path.is_dir() and list(tmp_path.iterdir()) == []


def snapshot(path: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in path.rglob("*") if p.is_file() and p.name != ".lock"}


def test_a_resume_that_is_refused_changes_nothing(
    tmp_path: Path, trainer: Any, references: Any, evaluation: Any
) -> None:
    with create(tmp_path / "run") as run:
        trainer.round(0)
        run.after_round(trainer)(0)
        run.finish(trainer, evaluation)
    before = snapshot(tmp_path / "run")
    for refusal in (InvalidValueError("no such expert"), KeyboardInterrupt()):
        with (
            pytest.raises((InvalidValueError, SystemExit)),
            Run.reopen(tmp_path / "run", config=CONFIG, checkpoints=CheckpointPlan()) as run,
        ):
            run.set_references(**references)
            raise refusal
    assert snapshot(tmp_path / "run") == before


def test_a_directory_that_holds_a_run_is_refused_and_kept(tmp_path: Path) -> None:
    with pytest.raises(KeyError), create(tmp_path / "run"):
        raise KeyError
    before = status(tmp_path / "run")
    with pytest.raises(InvalidValueError, match="holds a run already"):
        create(tmp_path / "run")
    assert status(tmp_path / "run") == before


def test_a_directory_that_cannot_be_written_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidValueError, match="cannot write"):
        create(tmp_path / "file" / "run")


def test_a_run_left_without_a_result_is_not_called_finished(tmp_path: Path, trainer: Any) -> None:
    with create(tmp_path / "run") as run:
        callback = run.after_round(trainer)
        trainer.round(0)
        callback(0)
    assert status(tmp_path / "run")["reason"] == "the run ended without a result"
    assert weights(tmp_path / "run", "1") == 1.0


def test_an_error_after_the_result_leaves_the_run_finished(
    tmp_path: Path, trainer: Any, evaluation: Any
) -> None:
    with pytest.raises(KeyError), create(tmp_path / "run") as run:
        callback = run.after_round(trainer)
        trainer.round(0)
        callback(0)
        run.finish(trainer, evaluation)
        raise KeyError
    assert status(tmp_path / "run")["status"] == "finished"


def test_a_run_whose_rounds_are_all_done_can_still_finish(
    tmp_path: Path, trainer: Any, evaluation: Any
) -> None:
    with create(tmp_path / "run") as run:
        run.after_round(trainer)
        run.finish(trainer, evaluation)  # no round was trained in this process
    assert weights(tmp_path / "run", "final") == 0.0


def test_progress_knows_the_rounds_and_the_references(
    tmp_path: Path, trainer: Any, references: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with Run.create(tmp_path / "run", config=CONFIG, multirun=True) as run:
        run.set_references(**references)
        callback = run.after_round(trainer)
        trainer.round(0)
        callback(0)
    assert "round 1/3, 100 steps" in caplog.text
    assert "(expert 3.0, random 1.0)" in caplog.text
