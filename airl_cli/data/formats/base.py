"""What all formats have in common."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Protocol

from gymnasium.spaces import Space

from airl_cli.data.types import Trajectory
from airl_cli.errors import AirlError, InvalidValueError, NotFoundError, one_line
from airl_cli.files import atomic_folder

__all__ = ["Format", "Recording", "atomic_folder", "explained", "require"]

_REMEDY = "It is damaged or of another format; make or download it again."


@dataclass(frozen=True)
class Recording:
    """Trajectories out of a file or folder, and what it says about them.

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


class Format(Protocol):
    """A format; one module each."""

    NAME: str
    """As in `format=...`."""
    DESCRIPTION: str

    def read(self, path: str) -> Recording:
        """Everything that `path` holds."""

    def write(
        self,
        path: str,
        trajectories: Sequence[Trajectory],
        *,
        observation_space: Space[Any] | None,
        action_space: Space[Any] | None,
        metadata: Mapping[str, Any],
    ) -> None:
        """Writes all of it, or nothing."""


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


@contextmanager
def explained(source: str, what: str) -> Iterator[None]:
    """Turns what a library raises over damaged data into an error that names the source.

    Raises:
        InvalidValueError: For anything that is not an `AirlError` already.
    """
    try:
        yield
    except AirlError as error:
        if source in error.problem:
            raise
        raise type(error)(f"{source}: {error.problem}", error.remedy or _REMEDY) from error
    except Exception as error:
        reason = one_line(error, 300)
        raise InvalidValueError(
            f"{source} is not a usable {what}: {reason.rstrip('.')}.",
            _REMEDY,
        ) from error
