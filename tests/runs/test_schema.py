"""The schema of recorded configs covers everything that the configs of this package can say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from airl_cli.config import conf_dir
from airl_cli.config.validation import TRAIN_KEYS
from airl_cli.runs import schema
from airl_cli.runs.vocabulary import Received

TARGETS = {"expert.repo": "x/y", "expert.path": "x.zip", "expert.dataset": "a/b-v0"}
ENVIRONMENTS = sorted(path.stem for path in (conf_dir() / "env").glob("*.yaml"))


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


def composed(*overrides: str) -> dict[str, Any]:
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        cfg = compose("train", [*overrides])
    config = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(config, dict)
    return config


def assert_readable(config: dict[str, Any]) -> None:
    received = Received()
    for name in ("env", "expert", "reward", "generator", "trainer"):
        received.read(config, name, *TRAIN_KEYS.get(name, ()))
    received.checked(schema.RunFields, config)
    received.checked(schema.TrainingFields, config["trainer"])
    received.checked(schema.EvaluationFields, config["evaluation"])


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_every_environment_with_its_recipes(env: str) -> None:
    given = ["env.id=Pendulum-v1"] if env == "gym" else []
    assert_readable(composed(f"env={env}", *given))


@pytest.mark.parametrize(
    "override",
    [
        *(f"reward={name}" for name in options("reward")),
        *(f"generator={name}" for name in options("generator")),
        *(f"trainer={name}" for name in options("trainer")),
        *(f"evaluation={name}" for name in options("evaluation")),
        *(f"experiment={name}" for name in options("experiment")),
    ],
)
def test_every_option(override: str) -> None:
    assert_readable(composed(override))


@pytest.mark.parametrize("name", [n for n in options("expert") if n != "huggingface"])
def test_every_expert_but_those_that_are_fetched(name: str) -> None:
    text = (Path(conf_dir()) / "expert" / f"{name}.yaml").read_text()
    given = [f"{key}={v}" for key, v in TARGETS.items() if f"{key.split('.')[1]}: ???" in text]
    assert_readable(composed(f"expert={name}", *given))
