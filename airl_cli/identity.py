"""Settings described as JSON: equal descriptions mean the same task, or the same expert."""

import hashlib
import inspect
import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from airl_cli.errors import InvalidTypeError


def describe(value: Any) -> Any:
    """A JSON-able description of a setting, stable between processes.

    Classes and functions are described by their qualified name, other objects by their class and
    attributes.

    Raises:
        InvalidTypeError: If a value cannot be recognised in another process (a lambda or a local
            function: two different ones may have the same name).
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, (Sequence, set, frozenset)) and not isinstance(value, (bytes, bytearray)):
        items = [describe(item) for item in value]
        return sorted(items, key=repr) if isinstance(value, (set, frozenset)) else items
    if isinstance(value, partial):
        return {
            "call": describe(value.func),
            "args": describe(value.args),
            "kwargs": describe(value.keywords),
        }
    if inspect.isclass(value) or inspect.isroutine(value):
        return _name(value)
    try:
        attributes = vars(value)
    except TypeError:
        attributes = {}
    if not attributes:
        raise InvalidTypeError(
            f"a {type(value).__name__} cannot be part of the settings of an environment or expert: "
            f"{value!r}",
            "Use numbers, strings, lists, mappings, classes or module-level functions.",
        )
    return {"object": _name(type(value)), "attributes": describe(attributes)}


def _name(value: Any) -> str:
    name = f"{value.__module__}.{value.__qualname__}"
    if "<" in name:
        raise InvalidTypeError(
            f"{name} cannot be part of the settings of an environment or expert: another one may "
            "have the same name.",
            "Move it to the top level of a module, under a name.",
        )
    return name


def short_hash(description: Any) -> str:
    """Twelve hexadecimal digits of a JSON-able description; order of keys does not matter."""
    text = json.dumps(description, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
