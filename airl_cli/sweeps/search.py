"""What a search looks through, and what it found: distributions from overrides, a recipe."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep, Transformer
from omegaconf import DictConfig
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from airl_cli.errors import InvalidValueError
from airl_cli.nodes import assign

_NODES = ("generator", "trainer", "reward")
"""What recipes are about."""

_NAMED = ("experiment", "env", "expert", *_NODES)
"""What stands beside a recipe in a command."""


def search_space(
    overrides: Sequence[str],
) -> tuple[dict[str, BaseDistribution], dict[str, str]]:
    """Splits overrides into those with intervals or choices and those with one value.

    Args:
        overrides: As typed; of two with the same key the later one counts.

    Returns:
        Optuna's distributions by key, and the other values by key.

    Raises:
        InvalidValueError: For an interval that holds nothing.
    """
    searched: dict[str, BaseDistribution] = {}
    fixed: dict[str, str] = {}
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        key = override.get_key_element()
        searched.pop(key, None)
        fixed.pop(key, None)
        if override.is_sweep_override():
            try:
                searched[key] = _distribution(override)
            except ValueError as error:
                raise InvalidValueError(
                    f"{override.input_line} is no search space: {error}",
                    "Use interval(low,high), tag(log,interval(low,high)), range(...) or "
                    "choice(a,b,c).",
                ) from error
        else:
            fixed[key] = override.get_value_element_as_str()
    return searched, fixed


def _distribution(override: Override) -> BaseDistribution:
    sweep = override.value()
    if isinstance(sweep, IntervalSweep):
        low, high, log = sweep.start, sweep.end, "log" in sweep.tags
        assert low is not None and high is not None
        if isinstance(low, int) and isinstance(high, int):
            return IntDistribution(low, high, log=log)
        return FloatDistribution(low, high, log=log)
    if isinstance(sweep, RangeSweep) and not sweep.shuffle:
        assert sweep.start is not None and sweep.stop is not None
        if all(isinstance(x, int) for x in (sweep.start, sweep.stop, sweep.step)):
            last = sweep.stop - (1 if sweep.step > 0 else -1)
            return IntDistribution(int(sweep.start), int(last), step=int(sweep.step))
    return CategoricalDistribution(list(override.sweep_iterator(transformer=Transformer.encode)))


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
        settings: Keys, also of config groups, and their values as command-line overrides.
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
    beside = [f"{group}={choices[group]}" for group in others]
    command = ["airl", "train", "--config-dir", str(folder), f"recipe={name}", *beside, "seed=0"]
    tree: dict[str, Any] = {}
    for key, value in _values(settings):
        assign(tree, key, value)
    lines = [
        "# @package _global_",
        f"# {about}",
        f"# {shlex.join(command)}",
        "defaults:",
        *(f"  - {line}" for line in defaults),
        "",
        yaml.safe_dump(tree, sort_keys=False).strip().replace("{}", ""),
    ]
    path = folder / "recipe" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    return path, shlex.join(command)


def _values(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    parser = OverridesParser.create()
    for key, value in settings.items():
        bare = key.lstrip("+")
        if bare.partition(".")[0] in _NODES and "." in bare:
            yield bare, parser.parse_override(f"{bare}={value}").value()
