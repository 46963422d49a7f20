"""Weights & Biases, offline and for real; nothing here needs a network."""

from pathlib import Path
from typing import Any

import pytest

from airl_cli.errors import InvalidValueError
from airl_cli.runs.trackers import WandB
from support.tracked import begin, play, resume
from support.wandb_file import records

wandb = pytest.importorskip("wandb", reason="the extra 'wandb' is not installed")


@pytest.fixture(autouse=True)
def _no_settings_of_ones_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def parts(run: Path) -> list[list[tuple[str, Any]]]:
    """Records of each part of the run, in order; complete when the service has ended."""
    wandb.teardown()
    files = sorted((run / "wandb").glob("offline-run-*/run-*.wandb"))
    return [list(records(path)) for path in files]


def points(part: list[tuple[str, Any]], name: str) -> dict[int, str]:
    """The values of one curve, by step."""
    found = {}
    for kind, record in part:
        if kind == "history":
            items = {"/".join(i.nested_key) or i.key: i.value_json for i in record.item}
            if name in items:
                found[int(items["_step"])] = items[name]
    return found


def only(part: list[tuple[str, Any]], kind: str) -> Any:
    (found,) = [record for each, record in part if each == kind]
    return found


def test_a_run_and_its_resumption_are_parts_of_one_run(
    tmp_path: Path, trainer: Any, evaluation: Any, references: Any
) -> None:
    path = tmp_path / "outputs/train/seven"
    with pytest.raises(KeyError), begin(path, [WandB("mine", tags=["a"], group="g")]) as run:
        play(run, trainer, 2)
        raise KeyError
    with resume(path, [WandB("mine", tags=["a"], group="g")]) as run:
        run.set_references(**references)
        play(run, trainer, 3)
        run.finish(trainer, evaluation)
    first, second = parts(path)
    about = only(first, "run")
    assert (about.project, about.run_group, about.display_name) == ("mine", "g", "train/seven")
    assert list(about.tags) == ["a"]
    assert "generator" in [item.key for item in about.config.update]
    assert only(second, "run").run_id == about.run_id
    assert points(first, "disc/disc_loss") == {100: "1", 200: "0.5"}
    assert list(points(second, "disc/disc_loss")) == [100, 200, 300]
    assert points(second, "rollout/true_return_mean") == {200: "10", 300: "20"}  # no NaN
    assert [only(part, "exit").exit_code for part in (first, second)] == [1, 0]
    summary = [i for kind, r in second if kind == "summary" for i in r.update]
    values = {"/".join(i.nested_key) or i.key: i.value_json for i in summary}
    assert values["result/normalized_score"] == "0.5"
    images = {image.name.split("_3")[0] for image in path.rglob("media/images/plots/*.png")}
    assert {"learning_curve", "returns", "reward"} <= images


def test_online_without_a_key_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="no key is known") as caught:
        begin(tmp_path / "run", [WandB(mode="online")])
    assert "wandb login" in caught.value.remedy


def test_the_environment_variable_decides_where_the_config_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trainer: Any
) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    with begin(tmp_path / "run", [WandB()]) as run:
        play(run, trainer, 1)
    assert parts(tmp_path / "run") == []
