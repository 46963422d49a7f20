"""`docs/own-environment.md` and `examples/own_env`: the commands of the page, run for real."""

import json
import sys
from pathlib import Path

import pytest
import yaml
from stable_baselines3.common.env_checker import check_env

from support.cli import Airl
from support.docs import DOCS, airl_commands, blocks
from support.run_directories import as_received

PAGE = DOCS / "own-environment.md"
GYM, CHECK, TRAIN, SEARCH_PATH, EVALUATE, REWARD, TRANSFER = airl_commands(PAGE)
TINY = [
    *("expert=random", "expert.n_episodes=2", "env.n_envs=2", "evaluation.n_episodes=2"),
    *("generator.n_steps=64", "generator.n_epochs=1", "generator.batch_size=64"),
    *("trainer.total_timesteps=256", "trainer.demo_batch_size=64", "device=cpu"),
]
CONFIG = ("--cfg", "job", "--package", "env")


@pytest.fixture
def package(examples: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(examples / "own_env"))
    monkeypatch.delitem(sys.modules, "water_tank", raising=False)
    return examples / "own_env" / "water_tank"


def test_the_page_runs(airl: Airl, package: Path) -> None:
    trained = airl(*TRAIN, *TINY)
    assert trained.code == 0, trained.err
    assert json.loads(Path("outputs/tank/result.json").read_text())["env_id"] == "WaterTank-v0"

    evaluated = airl(*EVALUATE)
    assert evaluated.code == 0, evaluated.err
    as_received(Path("outputs/tank"))
    refused = airl(*EVALUATE)
    assert refused.code == 2
    assert "import 'water_tank'" in refused.err and "trust=[package]" in refused.err

    compared = airl(
        *REWARD, "trust=[water_tank]", "n_episodes=2", "n_mean_samples=16", "coverage.n_samples=64"
    )
    assert compared.code == 0, compared.err
    assert json.loads(Path("outputs/tank/reward.json").read_text())["epic_distance"] >= 0


def test_configs_are_found_by_the_name_of_the_package(airl: Airl, package: Path) -> None:
    by_folder, by_name = airl(*TRAIN, *CONFIG), airl(*SEARCH_PATH, *CONFIG)
    assert by_folder.code == by_name.code == 0, by_folder.err + by_name.err
    assert by_folder.out == by_name.out
    assert "id: WaterTank-v0" in by_name.out


def test_recipes_beside_the_environment_apply_by_themselves(airl: Airl, package: Path) -> None:
    recipe = yaml.safe_load((package / "conf/recipe/water_tank-ppo.yaml").read_text())
    expert = yaml.safe_load((package / "conf/recipe/expert/water_tank-ppo.yaml").read_text())
    found = yaml.safe_load(airl(*TRAIN, "--cfg", "job").out)
    assert found["trainer"]["total_timesteps"] == recipe["trainer"]["total_timesteps"]
    assert found["expert"]["total_timesteps"] == expert["total_timesteps"]


@pytest.mark.parametrize("command", [GYM, TRANSFER], ids=["gym", "transfer"])
def test_the_other_commands_compose(command: list[str], airl: Airl, package: Path) -> None:
    composed = airl(*command, *CONFIG)
    assert composed.code == 0, composed.err


def test_the_config_shown_is_that_of_the_example(package: Path) -> None:
    (shown,) = blocks(PAGE, "yaml")
    assert yaml.safe_load(shown) == yaml.safe_load(
        (package / "conf/env/water_tank.yaml").read_text()
    )


def test_the_environment_is_one(package: Path) -> None:
    from water_tank.env import WaterTankEnv

    check_env(WaterTankEnv(), warn=False)
