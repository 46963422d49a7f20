"""The best settings of a search, as an option of the group `recipe`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

_NODES = ("generator", "trainer", "reward")
"""What recipes are about."""

_NAMED = ("experiment", "env", "expert", *_NODES)
"""What stands beside a recipe in a command."""


def write_recipe(
    folder: Path,
    name: str,
    settings: Mapping[str, Any],
    config: DictConfig,
    loader: ConfigLoader,
    about: str,
) -> tuple[Path, str]:
    """Writes `<folder>/recipe/<name>.yaml`, for `--config-dir <folder> recipe=<name>`.

    Args:
        folder: Of the sweep.
        name: Of the recipe.
        settings: Keys, also of config groups, and their values as one types them.
        config: Of the sweep; the recipe it was based on is where the new one starts from.
        loader: Knows the config groups.
        about: A sentence for the head of the file.

    Returns:
        The file, and a command that uses it.
    """
    choices = config.hydra.runtime.choices
    chosen = [group for group in _NODES if group in settings]
    defaults = [*(f"override /{group}: {settings[group]}" for group in chosen), "_self_"]
    base = choices.get("recipe")
    if base in loader.get_group_options("recipe") and base not in (name, "none"):
        defaults.insert(0, str(base))
    others = [group for group in _NAMED if group not in chosen and choices.get(group) is not None]
    typed = [f"{group}={choices[group]}" for group in others]
    command = ["airl", "train", "--config-dir", str(folder), f"recipe={name}", *typed, "seed=0"]
    lines = [
        "# @package _global_",
        f"# {about}",
        f"# {shlex.join(command)}",
        "defaults:",
        *(f"  - {line}" for line in defaults),
        "",
        yaml.safe_dump(_nested(settings), sort_keys=False).strip().replace("{}", ""),
    ]
    path = folder / "recipe" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    return path, shlex.join(command)


def _nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in _values(settings):
        *parents, last = key.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value
    return tree


def _values(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    parser = OverridesParser.create()
    for key, value in settings.items():
        bare = key.lstrip("+")
        if bare.partition(".")[0] in _NODES and "." in bare:
            yield bare, parser.parse_override(f"{bare}={value}").value()
