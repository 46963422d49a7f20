"""NumPy's `.npz`: arrays in any layout of `arrays`, the older files of `imitation`, and our own.

Nothing is unpickled, and what a member's header says is compared with the bytes that are there
before memory is allocated. `imitation` kept info dicts as a pickle; they are left unread, and an
array of empty texts is written in their place, so that `imitation` can load the file.
"""

from __future__ import annotations

import json
import math
import zipfile
from typing import Any

import numpy as np
from numpy.lib import format as npy

from airl_cli.data.formats import arrays as layouts
from airl_cli.data.formats import base
from airl_cli.data.formats.base import Format, Options, Recording
from airl_cli.data.formats.fields import SYNONYMS, fields_of
from airl_cli.data.storage import FORMAT, Header, check_version
from airl_cli.data.types import Trajectory, TrajectoryWithRew
from airl_cli.data.validate import check_uniform, explained
from airl_cli.errors import InvalidValueError
from airl_cli.files import atomic_write

_OWN_VERSION = 1  # of our own .npz; newer files are safetensors
_OWN_FIELDS = {"acts", "lengths", "obs", "terminal"}


def check_inflation(info: zipfile.ZipInfo, source: object) -> None:
    """Refuses a member of an archive that grows too much: see `base.check_inflation`.

    zipfile stops reading where a member becomes larger than it said.

    Args:
        info: Of the member.
        source: The archive, for the message.

    Raises:
        InvalidValueError: If it grows too much.
    """
    base.check_inflation(source, info.filename, info.file_size, info.compress_size)


def read(path: str, options: Options) -> Recording:
    """The episodes of a file in any of the layouts of `arrays`.

    Raises:
        InvalidValueError: If it is damaged, needs pickle, or its arrays do not make episodes.
    """
    known = {name for names in SYNONYMS.values() for name in names}
    with explained(path, "trajectory file"), zipfile.ZipFile(path) as archive:
        names = _member_names(archive)
        wanted = names & (known | {n for n in options.names.values() if isinstance(n, str)})
        found: dict[str, Any] = dict.fromkeys(names)
        found |= {name: _read_member(archive, name) for name in wanted}
        arrays = fields_of(path, found, options.names)
        trajectories = layouts.episodes(path, arrays, options)
    return Recording(path, "imitation" if "indices" in arrays else "npz", trajectories)


def write(path: str, recording: Recording, overwrite: bool = True) -> None:
    """Write the layout with `lengths`; spaces and metadata have no place in it."""
    columns = _concatenated(recording.trajectories)
    with atomic_write(path) as file:
        np.savez(file, **columns)  # type: ignore[arg-type]


def write_imitation(path: str, recording: Recording, overwrite: bool = True) -> None:
    """Write the older layout of `imitation`; spaces and metadata have no place in it."""
    columns = _concatenated(recording.trajectories)
    cuts = np.cumsum(columns.pop("lengths"))[:-1]
    infos = np.full(len(columns["acts"]), "{}")
    with atomic_write(path) as file:
        np.savez_compressed(file, **columns, infos=infos, indices=cuts)  # type: ignore[arg-type]


def read_own(path: str) -> Recording:
    """The `.npz` of the first edition: `lengths`, and a member `header` with the spaces.

    Raises:
        InvalidValueError: If it is damaged, of another format or of a newer version.
    """
    with explained(path, "trajectory file"), zipfile.ZipFile(path) as archive:
        names = _member_names(archive)
        content = json.loads(_read_member(archive, "header").tobytes())
        if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
            raise InvalidValueError("its header is not one of a trajectory file")
        check_version(content.pop("version", None), _OWN_VERSION)
        members = content.pop("members", None)
        if members not in (sorted(_OWN_FIELDS), sorted(_OWN_FIELDS | {"rews"})):
            raise InvalidValueError("its header names other members than a trajectory file has")
        if missing := sorted(set(members) - names):
            raise InvalidValueError(f"it lacks {', '.join(missing)}")
        header = Header.from_json(content)
        arrays = {name: _read_member(archive, name) for name in members}
        trajectories = layouts.episodes(path, arrays)
        header.check(trajectories[0].obs.shape[1:], trajectories[0].acts.shape[1:])
    return Recording(
        path,
        "airl",
        trajectories,
        header.observation_space,
        header.action_space,
        header.metadata,
    )


def write_own(path: str, recording: Recording, overwrite: bool = True) -> None:
    """Write what `read_own` reads."""
    columns = _concatenated(recording.trajectories)
    header = Header(recording.observation_space, recording.action_space, recording.metadata)
    header.check(columns["obs"].shape[1:], columns["acts"].shape[1:])
    content = {
        "format": FORMAT,
        "version": _OWN_VERSION,
        "members": sorted(columns),
        **header.to_json(),
    }
    encoded = np.frombuffer(json.dumps(content, allow_nan=False).encode(), dtype=np.uint8)
    with atomic_write(path) as file:
        np.savez(file, header=encoded, **columns)  # type: ignore[arg-type]


def _concatenated(trajectories: Any) -> dict[str, np.ndarray]:
    lengths, terminal = check_uniform("the recording", trajectories)
    episodes: list[Trajectory] = list(trajectories)
    columns = {
        "obs": np.concatenate([t.obs for t in episodes]),
        "acts": np.concatenate([t.acts for t in episodes]),
        "lengths": lengths,
        "terminal": terminal,
    }
    if isinstance(episodes[0], TrajectoryWithRew):
        columns["rews"] = np.concatenate([t.rews for t in episodes])  # type: ignore[attr-defined]
    return columns


def _member_names(archive: zipfile.ZipFile) -> set[str]:
    """Names of the arrays in an archive.

    Every member is opened once: a damaged directory of names would otherwise look like a file in
    which some (optional) array was never there.
    """
    names = archive.namelist()
    for info in archive.infolist():
        archive.open(info).close()  # compares the directory with the member's own header
    if len(set(names)) != len(names):
        raise InvalidValueError("two of its members have the same name")
    return {name.removesuffix(".npy") for name in names}


def _read_member(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """A whole array, its checksum compared.

    Raises:
        InvalidValueError: If it is no array of numbers, its size is another, or it needs pickle.
    """
    info = archive.getinfo(f"{name}.npy")
    check_inflation(info, archive.filename)
    with archive.open(info) as file:
        version = npy.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise InvalidValueError(f"{name} is in another version of NumPy's format")
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(file)
        if dtype.hasobject:
            raise InvalidValueError(
                f"{name} holds Python objects: a pickle, which could run code when it is read",
                "Pickles are never loaded: write it again as an array of numbers.",
            )
        if dtype.kind not in "biuf" or min(shape, default=0) < 0:
            raise InvalidValueError(f"{name} is no plain array of numbers")
        if file.tell() + math.prod(shape) * dtype.itemsize != info.file_size:
            raise InvalidValueError(f"{name} does not have the size that its shape says")
    with archive.open(info) as file:
        array: np.ndarray = npy.read_array(file, allow_pickle=False)
        if file.read(1):  # at the end, zipfile compares the checksum
            raise InvalidValueError(f"{name} is longer than its shape says")
    return array


NPZ = Format(
    "npz",
    "a NumPy .npz with obs, acts, lengths and, if known, rews and terminal",
    read,
    write,
    (".npz",),
)
IMITATION = Format(
    "imitation",
    "the older .npz of imitation: obs, acts, indices, terminal and, if known, rews",
    read,
    write_imitation,
    (".npz",),
)
