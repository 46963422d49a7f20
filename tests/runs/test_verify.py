"""Whether a finished run is as it was."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from airl_cli.errors import InvalidValueError
from airl_cli.runs import verify
from airl_cli.runs.verify import differences, differences_to_manifest, write_run_manifest

FIRST_EDITION = Path(__file__).parents[1] / "data" / "first_edition" / "sac"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(FIRST_EDITION, tmp_path / "run"))
    (folder / "train.log").write_text("a line\n")
    write_run_manifest(folder)
    return folder


def test_a_run_is_as_its_manifest_says_whatever_its_log_says(run: Path) -> None:
    (run / "train.log").write_text("more lines\n")
    (run / "reward.json").write_text("{}")  # what later commands add is theirs
    assert differences_to_manifest(run) == []


def test_changed_and_missing_files_are_named(run: Path) -> None:
    content = (run / "metrics.csv").read_bytes()
    (run / "metrics.csv").write_bytes(content.replace(b"0", b"1", 1))
    (run / "checkpoints/final/reward.safetensors").unlink()
    found = differences_to_manifest(run)
    assert found[0] == "checkpoints/final/reward.safetensors: is missing"
    assert found[1].startswith("metrics.csv: is damaged: its SHA-256 has changed")
    assert len(found) == 2


def test_a_run_without_a_manifest_is_said(run: Path) -> None:
    (run / "manifest.json").unlink()
    with pytest.raises(InvalidValueError, match="has no manifest.json") as caught:
        differences_to_manifest(run)
    assert "rerun=true" in caught.value.remedy


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "plots/../../x"])
def test_a_manifest_does_not_lead_out_of_the_run(run: Path, name: str) -> None:
    content = json.loads((run / "manifest.json").read_text())
    content["files"][name] = {"bytes": 1, "sha256": "0"}
    (run / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(InvalidValueError, match="leads out of it"):
        differences_to_manifest(run)


def test_two_runs_are_compared_to_the_bit_but_for_durations(run: Path, tmp_path: Path) -> None:
    again = Path(shutil.copytree(run, tmp_path / "again"))
    result = json.loads((again / "result.json").read_text())
    (again / "result.json").write_text(json.dumps({**result, "train_seconds": 1e6}))
    assert differences(run, again) == []


def test_the_first_difference_of_each_kind_is_named(run: Path, tmp_path: Path) -> None:
    again = Path(shutil.copytree(run, tmp_path / "again"))
    header, first, second, *rest = (again / "metrics.csv").read_text().splitlines()
    column = header.split(",").index("disc_loss")
    cells = second.split(",")
    cells[column] = "7.5"
    (again / "metrics.csv").write_text("\n".join([header, first, ",".join(cells), *rest]) + "\n")
    result = json.loads((again / "result.json").read_text())
    (again / "result.json").write_text(json.dumps({**result, "learner_return_mean": 1.0}))
    found = differences(run, again)
    assert found[0].startswith("metrics.csv: round 1, disc_loss: ") and "now 7.5" in found[0]
    assert found[1].startswith("result.json: learner_return_mean: ")
    assert len(found) == 2


def test_facts_of_the_machine_that_differ_are_named(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = json.loads((run / "environment.json").read_text())
    now = {**recorded, "torch_threads": 64, "versions": {**recorded["versions"], "torch": "0.1"}}
    monkeypatch.setattr(verify, "describe_machine", lambda: now)
    found = verify.machine_differences(run)
    assert [line.partition(":")[0] for line in found] == ["torch", "torch_threads"]
