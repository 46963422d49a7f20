"""Plain config trees, as they are composed and recorded: dotted paths, and the names of classes.

Knows neither Hydra nor what the values mean.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from airl_cli.errors import InvalidValueError

MAX_DEPTH = 32
"""Configs are nested less deeply than this."""


class Renamed(NamedTuple):
    """Where a class or function is today.

    Attributes:
        target: Its dotted name.
        arguments: New names of keyword arguments, by their old ones.
    """

    target: str
    arguments: Mapping[str, str] = {}


RENAMED: dict[str, Renamed] = {
    "airl_cli.algorithms.schedule.Late": Renamed(
        "airl_cli.algorithms.schedule.LinearDecay", {"after": "start_after"}
    ),
}
"""Former `_target_`s of configs, by their dotted names; run directories and users hold them."""


def lookup(config: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path; None where there is none."""
    node: Any = config
    for key in path.split("."):
        if not isinstance(node, Mapping):
            return None
        node = node.get(key)
    return node


def assign(config: dict[str, Any], path: str, value: Any) -> None:
    """Sets the value at a dotted path; mappings that are missing on the way are made."""
    *parents, key = path.split(".")
    for parent in parents:
        config = config.setdefault(parent, {})
    config[key] = value


def leaves(
    config: Mapping[str, Any], prefix: str = "", depth: int = 0
) -> Iterator[tuple[str, Any]]:
    """Dotted paths and values; lists and empty mappings are values.

    Args:
        config: Plain containers.
        prefix: Dotted path of `config`, ending in a dot.
        depth: How deep `config` lies.

    Raises:
        InvalidValueError: If it is nested too deeply to be a config.
    """
    if depth > MAX_DEPTH:
        raise InvalidValueError(f"the config is nested more than {MAX_DEPTH} levels deep")
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{prefix}{key}.", depth + 1)
        else:
            yield f"{prefix}{key}", value


def with_current_names(node: Any) -> Any:
    """A copy of a config in which classes and their arguments have today's names.

    Args:
        node: Plain containers.
    """
    if isinstance(node, list):
        return [with_current_names(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    current = {key: with_current_names(value) for key, value in node.items()}
    renamed = RENAMED.get(str(current.get("_target_")))
    if renamed is not None:
        current["_target_"] = renamed.target
        current = {renamed.arguments.get(key, key): value for key, value in current.items()}
    return current


def import_name(name: str) -> Any:
    """The object with a dotted name: as many modules as there are, then attributes.

    Raises:
        ImportError: If a module of the name is missing, or cannot be imported.
        AttributeError: If the module has no such attribute.
    """
    first, *rest = name.split(".")
    found: Any = importlib.import_module(first)
    path = first
    for part in rest:
        path = f"{path}.{part}"
        if inspect.ismodule(found) and not hasattr(found, part):
            try:
                found = importlib.import_module(path)
                continue
            except ModuleNotFoundError as error:
                if error.name != path:
                    raise
        found = getattr(found, part)
    return found
