"""The best settings, as an option of the group `recipe`."""

from __future__ import annotations

import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from omegaconf import OmegaConf

from airl_cli.sweeps.recipe import write_recipe

CHOICES = {"env": "cartpole", "reward": "shaped", "trainer": "airl", "recipe": "cartpole-ppo"}


def write(folder: Path, settings: dict[str, Any], **choices: Any) -> tuple[str, str]:
    config = OmegaConf.create({"hydra": {"runtime": {"choices": {**CHOICES, **choices}}}})
    loader = SimpleNamespace(get_group_options=lambda group: ["cartpole-ppo", "none"])
    path, command = write_recipe(folder, "mine", settings, config, loader, "About it.")  # type: ignore[arg-type]
    assert path == folder / "recipe" / "mine.yaml"
    return path.read_text(), command


def test_it_starts_from_the_recipe_that_the_search_was_based_on(tmp_path: Path) -> None:
    text, command = write(tmp_path, {"generator.learning_rate.start": 1e-5, "trainer.n": "3"})
    assert text.startswith("# @package _global_\n# About it.\n")
    assert f"# {command}\n" in text
    assert yaml.safe_load(text) == {
        "defaults": ["cartpole-ppo", "_self_"],
        "generator": {"learning_rate": {"start": 1e-5}},
        "trainer": {"n": 3},
    }
    typed = ["recipe=mine", "env=cartpole", "trainer=airl", "reward=shaped", "seed=0"]
    assert shlex.split(command) == ["airl", "train", "--config-dir", str(tmp_path), *typed]


def test_a_group_that_was_searched_is_chosen_by_the_recipe(tmp_path: Path) -> None:
    text, command = write(tmp_path, {"reward": "basic", "generator.x": "[32, 32]"}, recipe="none")
    assert yaml.safe_load(text) == {
        "defaults": [{"override /reward": "basic"}, "_self_"],
        "generator": {"x": [32, 32]},
    }
    assert "reward=" not in command


def test_what_no_recipe_is_about_is_left_out(tmp_path: Path) -> None:
    text, _ = write(tmp_path, {"seed": 3, "evaluation.n_episodes": 5, "+trainer.n": 1})
    assert yaml.safe_load(text) == {"defaults": ["cartpole-ppo", "_self_"], "trainer": {"n": 1}}
