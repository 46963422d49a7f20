"""This package's own format: safetensors, see `airl_cli.data.storage`.

A file whose name ends in `.npz` is written as, and read from, the `.npz` of the first edition.
"""

from __future__ import annotations

from pathlib import Path

from airl_cli.data import storage
from airl_cli.data.formats.base import Format, Options, Recording
from airl_cli.data.formats.npz import read_own, write_own


def read(path: str, options: Options) -> Recording:
    """The file, its checksum compared; its episodes are read as they are asked for.

    Raises:
        InvalidValueError: If it is damaged, of another format or of a newer version.
    """
    with open(path, "rb") as begin:
        if begin.read(2) == b"PK":
            return read_own(path)
    file = storage.TrajectoryFile(path)
    file.verify()
    header = file.header
    return Recording(
        path, OWN.name, file, header.observation_space, header.action_space, header.metadata
    )


def write(path: str, recording: Recording, overwrite: bool = True) -> None:
    """See `airl_cli.data.storage.save`."""
    if Path(path).suffix == ".npz":
        write_own(path, recording)
        return
    storage.save(
        path,
        recording.trajectories,
        observation_space=recording.observation_space,
        action_space=recording.action_space,
        metadata=recording.metadata,
    )


OWN = Format(
    "airl",
    "this package's own .safetensors: with a checksum and spaces, of any size",
    read,
    write,
    (".safetensors", ".npz"),
)
