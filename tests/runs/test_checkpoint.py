"""Checkpoints: whole or not at all, few, not too often, and read back only if they hold."""

from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from airl_cli.errors import InvalidValueError
from airl_cli.runs import checkpoint
from airl_cli.runs.checkpoint import (
    CheckpointPlan,
    CheckpointWriter,
    newest_checkpoint,
    read_checkpoint,
    remove_remains,
    write_checkpoint,
)
from airl_cli.runs.manifest import check_manifest


class Trainer:
    """Has a state."""

    def __init__(self, number: float = 0.0) -> None:
        self.number = number

    def state_dict(self) -> dict[str, Any]:
        weight = torch.full((2, 2), self.number)
        return {"policy": {"w": weight}, "reward_net": {"w": weight}, "deep": {"n": self.number}}

    def load_state_dict(self, state: Any) -> bool:
        raise NotImplementedError


@pytest.fixture
def run(tmp_path: Path) -> Path:
    for rounds in (2, 4, 6):
        write_checkpoint(tmp_path, rounds, Trainer(rounds), {"env_steps": 10 * rounds})
    return tmp_path


def test_a_checkpoint_comes_back_as_it_was(run: Path) -> None:
    found = newest_checkpoint(run)
    assert found is not None
    assert (found.rounds, found.notes.env_steps) == (6, 60)
    assert found.trainer["deep"]["n"] == 6.0
    assert torch.equal(found.trainer["policy"]["w"], torch.full((2, 2), 6.0))
    assert set(found.random) == {"python", "numpy", "torch", "cuda"}


def test_nothing_is_left_of_a_checkpoint_that_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "write_manifest", full)
    with pytest.raises(OSError, match="No space"):
        write_checkpoint(tmp_path, 1, Trainer(), {})
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_training_goes_on_without_a_checkpoint_that_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    writer = CheckpointWriter(tmp_path, CheckpointPlan())
    assert writer.write(1, Trainer(), {})
    monkeypatch.setattr(
        checkpoint, "write_tensors", lambda *a: (_ for _ in ()).throw(OSError(28, "full"))
    )
    assert not writer.write(2, Trainer(), {})
    assert (
        "after round 2 could not be written: full; the newest is that after round 1" in caplog.text
    )
    assert writer.rounds == 1


def test_only_the_newest_whole_ones_are_kept(tmp_path: Path) -> None:
    writer = CheckpointWriter(tmp_path, CheckpointPlan(keep=2))
    (tmp_path / "checkpoints/1").mkdir(parents=True)  # weights that a failed run left
    (tmp_path / "checkpoints/final").mkdir()
    for rounds in (2, 4, 6, 8):
        writer.write(rounds, Trainer(), {})
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["6", "8", "final"]


def test_a_damaged_newer_one_does_not_count_as_kept(tmp_path: Path) -> None:
    writer = CheckpointWriter(tmp_path, CheckpointPlan(keep=2))
    writer.write(2, Trainer(), {})
    writer.write(4, Trainer(), {})
    (tmp_path / "checkpoints/9").mkdir()
    writer.write(6, Trainer(), {})
    assert {p.name for p in (tmp_path / "checkpoints").iterdir()} == {"4", "6", "9"}


def test_a_round_that_is_reached_again_replaces_what_was_there(run: Path) -> None:
    (run / "checkpoints/6/state.json").write_text("")
    write_checkpoint(run, 6, Trainer(7.0), {})
    assert read_checkpoint(run / "checkpoints/6").trainer["deep"]["n"] == 7.0


def test_they_come_every_so_many_rounds(tmp_path: Path) -> None:
    writer = CheckpointWriter(tmp_path, CheckpointPlan(every=3, share=None), rounds=4)
    assert [rounds for rounds in range(5, 12) if writer.due(rounds)] == [7, 8, 9, 10, 11]
    writer.write(7, Trainer(), {})
    assert [rounds for rounds in range(8, 13) if writer.due(rounds)] == [10, 11, 12]
    assert not CheckpointWriter(tmp_path, CheckpointPlan(every=None)).due(10**6)


def test_they_come_less_often_where_writing_takes_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(checkpoint.time, "perf_counter", lambda: now[0])
    writer = CheckpointWriter(tmp_path, CheckpointPlan(every=1, share=0.1))

    def slow(*arguments: Any) -> None:
        now[0] += 2.0

    monkeypatch.setattr(checkpoint, "write_checkpoint", slow)
    (tmp_path / "checkpoints").mkdir()
    assert writer.due(1)
    writer.write(1, Trainer(), {})
    now[0] += 19.0
    assert not writer.due(5)
    now[0] += 1.0
    assert writer.due(5)


def test_remains_of_dead_processes_are_removed(run: Path) -> None:
    (run / "checkpoints/.8.123").mkdir()
    remove_remains(run)
    assert sorted(os.listdir(run / "checkpoints")) == ["2", "4", "6"]


def test_the_one_before_is_used_and_the_reason_given(
    run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    (run / "checkpoints/6/policy.safetensors").unlink()
    content = bytearray((run / "checkpoints/4/state.safetensors").read_bytes())
    content[-1] ^= 1
    (run / "checkpoints/4/state.safetensors").write_bytes(content)
    found = newest_checkpoint(run)
    assert found is not None and found.rounds == 2
    assert "policy.safetensors is missing" in caplog.text
    assert "state.safetensors is damaged: its SHA-256 has changed" in caplog.text


def test_a_checkpoint_under_another_number_is_refused(run: Path) -> None:
    shutil.copytree(run / "checkpoints/2", run / "checkpoints/8")
    found = newest_checkpoint(run)
    assert found is not None and found.rounds == 6


@pytest.mark.parametrize(
    "manifest",
    [
        *("", "[]", "{}", '{"format": 2, "files": {}}', '{"format": 1, "files": []}'),
        *('{"format": 1, "files": {}}', '{"format": 1, "files": {"state.json": 3}}'),
    ],
)
def test_a_manifest_that_is_none_does_not_hold(run: Path, manifest: str) -> None:
    folder = run / "checkpoints/2"
    (folder / "manifest.json").write_text(manifest)
    with pytest.raises(InvalidValueError):
        check_manifest(folder, required=["state.json"])


def test_a_state_of_another_format_is_refused(run: Path) -> None:
    folder = run / "checkpoints/2"
    state = json.loads((folder / "state.json").read_text())
    for change in ({"format": 99}, {"rounds": "x"}, {"notes": 3}, {"trainer": 3}):
        (folder / "state.json").write_text(json.dumps({**state, **change}))
        manifest = json.loads((folder / "manifest.json").read_text())
        entry = manifest["files"]["state.json"]
        entry["bytes"] = (folder / "state.json").stat().st_size
        from airl_cli.data.digest import sha256

        entry["sha256"] = sha256(folder / "state.json")
        (folder / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(InvalidValueError):
            read_checkpoint(folder)


def test_without_a_checkpoint_there_is_none(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path) is None
    remove_remains(tmp_path)
