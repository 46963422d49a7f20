"""What a search looks through, and the recipe of what it found."""

from __future__ import annotations

import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from airl_cli.errors import InvalidValueError

distributions = pytest.importorskip("optuna.distributions")

from airl_cli.sweeps.search import search_space, write_recipe  # noqa: E402

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


@pytest.mark.parametrize(
    ("typed", "low", "high", "log", "step"),
    [
        ("interval(0.1,1)", 0.1, 1.0, False, None),
        ("tag(log,interval(1e-4,1e-2))", 1e-4, 1e-2, True, None),
        ("int(interval(1,8))", 1, 8, False, 1),
        ("int(tag(log,interval(1,8)))", 1, 8, True, 1),
        ("range(1,8)", 1, 7, False, 1),
        ("range(0,9,step=4)", 0, 8, False, 4),
    ],
)
def test_intervals_become_distributions(
    typed: str, low: float, high: float, log: bool, step: float | None
) -> None:
    space, fixed = search_space([f"a.b={typed}"])
    found = space["a.b"]
    assert (found.low, found.high, found.log, found.step) == (low, high, log, step)
    assert fixed == {}


def test_choices_become_categories_as_they_are_typed() -> None:
    space, _ = search_space(["a=choice(1,x,[1,2])", "b=3,4", "c=range(0.0,1.0,step=0.5)"])
    assert space["a"].choices == (1, "x", "[1,2]")
    assert space["b"].choices == (3, 4)
    assert space["c"].choices == (0.0, 0.5)


def test_a_later_override_takes_the_place_of_an_earlier_one() -> None:
    assert search_space(["a=interval(0,1)", "a=2", "b=1", "b=choice(1,2)"]) == (
        {"b": distributions.CategoricalDistribution((1, 2))},
        {"a": "2"},
    )


def test_an_empty_interval_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"a=interval\(2,1\) is no search space"):
        search_space(["a=interval(2,1)"])
