"""Keys that nobody explained."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from airl_cli.config.comments import LOGGING, ConfigFile, Configs, Key


def unexplained(root: Path) -> list[str]:
    """Keys without a comment, and files without a first line that says what they are for.

    A key is explained by a comment behind or above it; by that of a mapping which holds it; in a
    config that starts from another one, there; in a recipe or experiment, where its group
    explains it.

    Args:
        root: The folder of the primary configs.

    Returns:
        One entry each, `file: key`.
    """
    configs = Configs(root)
    found = []
    for file in configs.files:
        name = file.path.relative_to(root).as_posix()
        if file.group in LOGGING:
            continue
        if not file.header:
            found.append(f"{name}: what it is for (a comment in the first line)")
        found += [f"{name}: {key.path}" for key in _gaps(configs, file)]
    return found


def _gaps(configs: Configs, file: ConfigFile) -> Iterator[Key]:
    keys = configs.keys(file) if file.group else {key.path: key for key in file.keys}
    for own in file.keys:
        key = keys[own.path]
        is_parent = any(path.startswith(f"{key.path}.") for path in keys)
        if key.is_hydras or (is_parent and not key.value):
            continue
        if not any(configs.explanation(file, outer) for outer in _outwards(keys, key)):
            yield key


def _outwards(keys: dict[str, Key], key: Key) -> Iterator[Key]:
    path = key.path
    while path:
        yield keys.get(path, Key(path, ""))
        path = path.rpartition(".")[0]
