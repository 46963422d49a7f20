"""This package's own format; `airl_cli.data.storage` describes and implements it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gymnasium.spaces import Space

from airl_cli.data import storage
from airl_cli.data.digest import sha256
from airl_cli.data.formats.base import Recording
from airl_cli.data.types import Trajectory

NAME = "airl"
DESCRIPTION = "this package's own .npz: checksummed, with spaces, of any size"


def read(path: str) -> Recording:
    """The file, checksums compared; its episodes are read as they are asked for.

    Raises:
        NotFoundError: If there is no such file.
        InvalidValueError: If it is damaged, of another format or of a newer version.
    """
    file = storage.TrajectoryFile(path)
    file.verify()
    return Recording(
        source=path,
        format=NAME,
        trajectories=file,
        observation_space=file.header.observation_space,
        action_space=file.header.action_space,
        metadata=file.header.metadata,
        sha256=sha256(path),
    )


def write(
    path: str,
    trajectories: Sequence[Trajectory],
    *,
    observation_space: Space[Any] | None = None,
    action_space: Space[Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """See `airl_cli.data.storage.save`."""
    storage.save(
        path,
        trajectories,
        observation_space=observation_space,
        action_space=action_space,
        metadata=metadata,
    )
