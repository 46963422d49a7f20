"""What all formats have in common."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from gymnasium.spaces import Space

from airl_cli.data.types import EpisodeSequence, Trajectory
from airl_cli.errors import InvalidValueError, NotFoundError


@dataclass(frozen=True)
class Options:
    """How files are read that leave something open.

    Attributes:
        columns: Of fields (`obs`, `acts`, ...) to the names they have in the file.
        incomplete: What becomes of a last episode without an end: `keep` (as truncated) or `drop`.
        drop_last_action: For files with as many actions as observations in each episode.

    Raises:
        InvalidValueError: If `incomplete` is something else.
    """

    columns: Mapping[str, Any] | None = None
    incomplete: Literal["keep", "drop"] = "keep"
    drop_last_action: bool = False

    @property
    def names(self) -> Mapping[str, Any]:
        """`columns`, empty where none are given."""
        return self.columns or {}

    def __post_init__(self) -> None:
        for name, value in self.names.items():
            texts = [value] if isinstance(value, str) else value
            if not isinstance(texts, Sequence) or not all(isinstance(t, str) for t in texts):
                raise InvalidValueError(
                    f"columns.{name}={value!r:.60} is no name and no list of names.",
                    "Write columns={obs: [x, v], acts: force}, for example.",
                )
        if self.incomplete not in ("keep", "drop"):
            raise InvalidValueError(
                f"incomplete={self.incomplete} is neither keep nor drop.", "Use one of these."
            )


DEFAULTS = Options()


@dataclass(frozen=True, eq=False)
class Recording(EpisodeSequence):
    """Trajectories out of a file or folder, and what it says about them; a sequence of them.

    Attributes:
        source: The path as it was given; messages begin with it.
        format: Name of the format.
        trajectories: At least one; all with rewards, or none.
        observation_space: Of the environment, where the format keeps it.
        action_space: Likewise.
        metadata: What else the format keeps, JSON-able.
        sha256: Of what was read.
        verified: Whether checksums in the file (or beside it) prove it undamaged.
    """

    source: str
    format: str
    trajectories: Sequence[Trajectory]
    observation_space: Space[Any] | None = None
    action_space: Space[Any] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""
    verified: bool = True

    def __len__(self) -> int:
        return len(self.trajectories)

    def _episode(self, place: int) -> Trajectory:
        return self.trajectories[place]


@dataclass(frozen=True)
class Format:
    """A format of files or folders.

    Attributes:
        name: As in `format=...`.
        description: For help texts.
        read: Everything that a path holds, but for the SHA-256.
        write: Writes a recording to a path, all of it or nothing; the flag says whether a
            folder may be replaced. None: this format is only read.
        suffixes: Of its files, the usual one first; none for a folder.
    """

    name: str
    description: str
    read: Callable[[str, Options], Recording]
    write: Callable[[str, Recording, bool], None] | None = None
    suffixes: tuple[str, ...] = ()


MAX_RATIO = 100
"""Of unpacked to packed size, for what becomes larger than `MAX_BYTES`."""

MAX_BYTES = 2**28


def check_inflation(source: object, name: str, unpacked: int, packed: int) -> None:
    """Refuses what a small file would fill the memory with.

    Recorded numbers do not shrink a hundredfold; only what was made for it does.

    Args:
        source: The file, for the message.
        name: Of the part of it.
        unpacked: Its size in memory, in bytes.
        packed: Its size in the file, in bytes.

    Raises:
        InvalidValueError: If it grows too much.
    """
    if unpacked > MAX_BYTES and unpacked > MAX_RATIO * max(1, packed):
        raise InvalidValueError(
            f"{source}: {name} would grow from {packed:,} to {unpacked:,} bytes: not unpacked.",
            "Store it without compression if it is what it should be.",
        )


def check_regular(source: Path) -> None:
    """Refuses devices and pipes, and links that lead out of a folder.

    Args:
        source: File or folder.

    Raises:
        InvalidValueError: Naming what is not read.
    """
    root = source.resolve()
    for path in [source, *source.rglob("*")] if source.is_dir() else [source]:
        real = path.resolve()
        if real != root and not real.is_relative_to(root):
            raise InvalidValueError(
                f"{path} is a link that leads out of {source}: not read.", "Copy the file instead."
            )
        if not real.is_dir() and not real.is_file():
            raise InvalidValueError(f"{path} is no regular file.", "Give a file or a folder.")


def require(module: str, extra: str, why: str) -> ModuleType:
    """An optional package.

    Args:
        module: Its name.
        extra: Of this package, that installs it.
        why: What it is needed for.

    Raises:
        NotFoundError: If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise NotFoundError(
            f"{why} needs the package {module!r}, which cannot be imported: {error}.",
            f'Install it: pip install "airl-cli[{extra}]"',
        ) from error
