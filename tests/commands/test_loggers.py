"""Loggers as one chooses them on the command line."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from support.cli import Airl


def test_a_logger_whose_package_is_missing_is_refused_before_anything_is_trained(
    airl: Airl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    cache = tmp_path / "experts"
    outcome = airl("train", "experiment=smoke", "logger=wandb", f"expert.cache_dir={cache}")
    assert outcome.code == 2
    assert outcome.err.count("\n") == 2
    assert 'pip install "airl-cli[wandb]"' in outcome.err
    assert not cache.exists()
    assert not list(tmp_path.rglob("config.json"))


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("logger.formats=[wandbx]", "unknown log format 'wandbx'"),
        ("logger.wandb.mode=sometimes", "offline or online or disabled or null"),
        ("+logger.wandb.projekt=x", "Did you mean 'project'"),
        ("logger.mlflow.experiment=3", "of the wrong type"),
    ],
)
def test_mistakes_in_the_settings_of_loggers_are_named(
    airl: Airl, override: str, said: str
) -> None:
    outcome = airl("train", "experiment=smoke", "logger=many", override)
    assert outcome.code == 2
    assert said in outcome.err


@pytest.fixture
def finished(trained_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_run, tmp_path / "run"))


EXTENDED = "trainer.total_timesteps=2560"


def test_a_run_can_be_resumed_with_another_logger(airl: Airl, finished: Path) -> None:
    outcome = airl("train", f"resume={finished}", EXTENDED, "logger=csv")
    assert outcome.code == 0, outcome.err
    steps = {row.split(",")[0] for row in (finished / "scalars.csv").read_text().split("\n")[1:-1]}
    assert steps == {"2560"}
    assert json.loads((finished / "config.json").read_text())["logger"]["formats"] == ["csv"]


@pytest.mark.parametrize(
    "logger",
    [
        {"formats": ["wandb"], "wandb": {"mode": "online"}},
        {"formats": ["mlflow"], "mlflow": {"tracking_uri": "http://x.org"}},
        {"formats": ["mlflow"], "mlflow": {"tracking_uri": "/root/x"}},
        {"formats": ["wandb"]},
        {"formats": "csv"},
        {"formats": ["csv"], "folder": "/root/x"},
    ],
)
def test_a_received_run_sends_nothing_away(airl: Airl, finished: Path, logger: dict) -> None:
    config = json.loads((finished / "config.json").read_text())
    targets = {"wandb": "WandB", "mlflow": "MLflow"}
    for name, node in logger.items():
        if name in targets:
            node["_target_"] = f"airl_cli.runs.trackers.{targets[name]}"
    config["logger"] = {
        "_target_": "airl_cli.runs.loggers.make_logger",
        "_partial_": True,
        **logger,
    }
    (finished / "config.json").write_text(json.dumps(config))
    outcome = airl("train", f"resume={finished}", EXTENDED)
    assert outcome.code == 2
    assert "would reach beyond its directory" in outcome.err
    assert "Choose the logger: logger=tensorboard" in outcome.err
