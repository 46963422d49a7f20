"""Settings described as JSON: equal descriptions mean the same task, or the same expert."""

import ast
import hashlib
import importlib.util
import inspect
import json
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
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


def source_digest(*objects: object) -> str | None:
    """A hash of the source files that define the objects' classes, and of what those import.

    Installed packages and this one are left out (their versions tell them apart).

    Returns:
        Twelve hexadecimal digits; None where no such file takes part.
    """
    waiting = [cls.__module__ for value in objects for cls in type(value).__mro__]
    files: dict[str, Path] = {}
    while waiting:
        name = waiting.pop()
        module = sys.modules.get(name)
        path = Path(getattr(module, "__file__", None) or "")
        if name in files or path.suffix != ".py" or _installed(name, path) or not path.is_file():
            continue
        files[name] = path
        waiting += _imports(path, getattr(module, "__package__", None) or "")
    contents = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in files.values())
    return short_hash(contents) if contents else None


def _imports(path: Path, package: str) -> Iterator[str]:
    """Names of the modules that a source file imports, anywhere in it; some may be none."""
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError:  # edited since it was imported
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (package or not node.level):
            module = "." * node.level + (node.module or "")
            if node.level:
                module = importlib.util.resolve_name(module, package)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _installed(name: str, path: Path) -> bool:
    packaged = {"site-packages", "dist-packages"} & set(path.parts)
    in_python = path.is_relative_to(sysconfig.get_path("stdlib"))
    return bool(packaged) or in_python or name.partition(".")[0] == "airl_cli"


def short_hash(description: Any) -> str:
    """Twelve hexadecimal digits of a JSON-able description; order of keys does not matter."""
    text = json.dumps(description, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
