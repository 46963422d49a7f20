"""Trajectories in a file: an uncompressed `.npz` without pickles.

Format, version 1. Members (each a NumPy `.npy`, readable with `np.load`), for `N` episodes with
`T` transitions in all:

| member | shape | |
|---|---|---|
| `header` | (bytes,) | uint8: JSON with `format`, `version`, spaces (or null) and `metadata` |
| `lengths` | (N,) | int64: transitions of each episode |
| `terminal` | (N,) | bool: did it end in a terminal state (not by a time limit) |
| `obs` | (T + N, *obs_shape) | the episodes' observations one after the other |
| `acts` | (T, *act_shape) | |
| `rews` | (T,) | left out when unknown |

Members are stored uncompressed, so that they can be memory-mapped. Info dicts are not kept.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from gymnasium.spaces import Space
from numpy.lib import format as npy

from airl_cli.data.spaces import describe, space_from_dict, space_to_dict
from airl_cli.data.types import Trajectory, TrajectoryWithRew
from airl_cli.errors import AirlError, InvalidValueError, NotFoundError
from airl_cli.serialization import atomic_write, to_jsonable

FORMAT = "airl-cli trajectories"
VERSION = 1
_HEADER_KEYS = {"format", "version", "observation_space", "action_space", "metadata"}
_MAX_HEADER_BYTES = 2**28


@dataclasses.dataclass(frozen=True)
class Header:
    """What a trajectory file says about itself.

    Attributes:
        version: Of the format.
        observation_space: Of the environment, if it was saved.
        action_space: Of the environment, if it was saved.
        metadata: What the writer added, such as where the trajectories come from.
    """

    version: int
    observation_space: Space[Any] | None
    action_space: Space[Any] | None
    metadata: dict[str, Any]


def save(
    path: str | os.PathLike[str],
    trajectories: Iterable[Trajectory],
    *,
    observation_space: Space[Any] | None = None,
    action_space: Space[Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write trajectories to `path`, whole or not at all.

    Args:
        path: File to write; by convention it ends in `.npz`.
        trajectories: At least one; either all with rewards or none. Infos are not kept.
        observation_space: Of the environment; written down and compared with the observations.
        action_space: Of the environment; written down and compared with the actions.
        metadata: Anything with a JSON form.

    Raises:
        InvalidValueError: If there are no trajectories, they do not fit each other or the spaces,
            or `path` cannot be written.
        InvalidTypeError: If a space or the metadata has no JSON form.
    """
    trajectories = list(trajectories)
    _check_uniform(trajectories)
    _check_space(observation_space, trajectories[0].obs, "observations")
    _check_space(action_space, trajectories[0].acts, "actions")
    header = {
        "format": FORMAT,
        "version": VERSION,
        "observation_space": _space_to_json(observation_space),
        "action_space": _space_to_json(action_space),
        "metadata": to_jsonable(metadata or {}),
    }
    encoded = np.frombuffer(json.dumps(header, allow_nan=False).encode(), dtype=np.uint8)
    lengths = np.array([len(trajectory) for trajectory in trajectories], dtype=np.int64)
    terminal = np.array([trajectory.terminal for trajectory in trajectories], dtype=bool)
    with atomic_write(Path(path)) as file, zipfile.ZipFile(file, "w") as archive:
        _write_member(archive, "header", [encoded])
        _write_member(archive, "lengths", [lengths])
        _write_member(archive, "terminal", [terminal])
        _write_member(archive, "obs", [t.obs for t in trajectories])
        _write_member(archive, "acts", [t.acts for t in trajectories])
        if isinstance(trajectories[0], TrajectoryWithRew):
            rews = [t.rews for t in trajectories if isinstance(t, TrajectoryWithRew)]
            _write_member(archive, "rews", rews)


def load(path: str | os.PathLike[str]) -> list[Trajectory]:
    """Read trajectories; `TrajectoryWithRew` if the file has rewards, all without infos.

    Raises:
        NotFoundError: If there is no such file.
        InvalidValueError: If it is damaged, of another format or of a newer version.
    """
    with _opened(path) as archive:
        header = _read_header(archive)
        lengths, terminal, obs, acts = (
            _read_member(archive, name) for name in ("lengths", "terminal", "obs", "acts")
        )
        rews = _read_member(archive, "rews") if "rews.npy" in archive.namelist() else None
        _check_arrays(lengths, terminal, obs, acts, rews)
        trajectories = list(_split(lengths.tolist(), terminal.tolist(), obs, acts, rews))
        _check_space(header.observation_space, obs, "observations")
        _check_space(header.action_space, acts, "actions")
    return trajectories


def load_header(path: str | os.PathLike[str]) -> Header:
    """Read what the file says about itself, without its arrays.

    Raises:
        NotFoundError: If there is no such file.
        InvalidValueError: If it is damaged, of another format or of a newer version.
    """
    with _opened(path) as archive:
        return _read_header(archive)


def _check_uniform(trajectories: Sequence[Trajectory]) -> None:
    if not trajectories:
        raise InvalidValueError("there are no trajectories to save.")
    first = trajectories[0]
    for index, trajectory in enumerate(trajectories):
        if isinstance(trajectory, TrajectoryWithRew) != isinstance(first, TrajectoryWithRew):
            raise InvalidValueError(
                f"of trajectories 0 and {index} one has rewards and the other has not.",
                "Save those with rewards and those without into different files.",
            )
        for name in ("obs", "acts", "rews"):
            mine, other = (getattr(t, name, np.empty(0)) for t in (trajectory, first))
            if (mine.shape[1:], mine.dtype) != (other.shape[1:], other.dtype):
                raise InvalidValueError(
                    f"{name} of trajectory {index} have shape {mine.shape[1:]} and type "
                    f"{mine.dtype}, those of trajectory 0 {other.shape[1:]} and {other.dtype}.",
                    "Trajectories in one file must come from the same environment.",
                )


def _check_space(space: Space[Any] | None, values: np.ndarray, what: str) -> None:
    if space is not None and space.shape != values.shape[1:]:
        raise InvalidValueError(
            f"{what} of shape {values.shape[1:]} do not fit the space {describe(space)}."
        )


def _space_to_json(space: Space[Any] | None) -> dict[str, Any] | None:
    return None if space is None else space_to_dict(space)


def _write_member(archive: zipfile.ZipFile, name: str, parts: Sequence[np.ndarray]) -> None:
    # Part by part: the whole may be larger than memory.
    array_header = {
        "descr": npy.dtype_to_descr(parts[0].dtype),
        "fortran_order": False,
        "shape": (sum(map(len, parts)), *parts[0].shape[1:]),
    }
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        npy.write_array_header_1_0(file, array_header)
        for part in parts:
            file.write(part.tobytes())


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[zipfile.ZipFile]:
    if not Path(path).is_file():
        raise NotFoundError(f"there is no trajectory file {path}.", "Check the path.")
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except Exception as error:  # zipfile and NumPy raise a dozen kinds on damaged bytes
        reason = error.problem if isinstance(error, AirlError) else str(error)
        remedy = error.remedy if isinstance(error, AirlError) else ""
        raise InvalidValueError(
            f"{path} is not a usable trajectory file: "
            f"{reason.rstrip('.') or type(error).__name__}.",
            remedy or "It is damaged or of another format; write it again with airl-cli.",
        ) from error


def _read_header(archive: zipfile.ZipFile) -> Header:
    if archive.getinfo("header.npy").file_size > _MAX_HEADER_BYTES:
        raise InvalidValueError("its header is too long")
    data = json.loads(_read_member(archive, "header").tobytes())
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise InvalidValueError("its header is not one of a trajectory file")
    version = data.get("version")
    if type(version) is not int or version < 1:
        raise InvalidValueError(f"its format version is {version!r}")
    if version > VERSION:
        raise InvalidValueError(
            f"it has format version {version}, this airl-cli reads up to {VERSION}",
            "Upgrade airl-cli: pip install --upgrade airl-cli",
        )
    if set(data) != _HEADER_KEYS or not isinstance(data["metadata"], dict):
        raise InvalidValueError("its header lacks or has unknown fields")
    observation_space, action_space = (
        None if data[name] is None else space_from_dict(data[name])
        for name in ("observation_space", "action_space")
    )
    return Header(version, observation_space, action_space, data["metadata"])


def _read_member(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    info = archive.getinfo(f"{name}.npy")
    if info.compress_type != zipfile.ZIP_STORED:
        raise InvalidValueError(f"{name} is compressed")  # a small file could fill the memory
    with archive.open(info) as file:
        _check_size(file, name, info.file_size)
    with archive.open(info) as file:  # zipfile compares the checksum at the end
        array: np.ndarray = npy.read_array(file, allow_pickle=False)
    return array


def _check_size(file: IO[bytes], name: str, size: int) -> None:
    """Before memory is set aside: do shape and type fit the bytes that are there?"""
    if npy.read_magic(file) != (1, 0):
        raise InvalidValueError(f"{name} is in another version of NumPy's format")
    shape, fortran_order, dtype = npy.read_array_header_1_0(file)
    if dtype.kind not in "biuf" or fortran_order or not shape or min(shape) < 0:
        raise InvalidValueError(f"{name} is no plain array of numbers")
    if file.tell() + math.prod(shape) * dtype.itemsize != size:
        raise InvalidValueError(f"{name} does not have the size that its shape says")


def _check_arrays(
    lengths: np.ndarray,
    terminal: np.ndarray,
    obs: np.ndarray,
    acts: np.ndarray,
    rews: np.ndarray | None,
) -> None:
    if lengths.dtype != np.int64 or lengths.ndim != 1 or len(lengths) == 0 or lengths.min() < 1:
        raise InvalidValueError("its episode lengths are not positive integers")
    if terminal.dtype != np.bool_ or terminal.shape != lengths.shape:
        raise InvalidValueError("it does not say of each episode whether it ended terminally")
    total = sum(lengths.tolist())  # Python's integers do not overflow
    for name, array, wanted in (
        ("obs", obs, total + len(lengths)),
        ("acts", acts, total),
        ("rews", rews, total),
    ):
        if array is not None and len(array) != wanted:
            raise InvalidValueError(f"it has {len(array)} {name} instead of {wanted}")


def _split(
    lengths: Sequence[int],
    terminal: Sequence[bool],
    obs: np.ndarray,
    acts: np.ndarray,
    rews: np.ndarray | None,
) -> Iterator[Trajectory]:
    start = 0
    for index, (length, ended) in enumerate(zip(lengths, terminal, strict=True)):
        rows = slice(start, start + length)
        seen = obs[start + index : start + index + length + 1]  # one observation more per episode
        if rews is None:
            yield Trajectory(seen, acts[rows], None, ended)
        else:
            yield TrajectoryWithRew(seen, acts[rows], None, ended, rews[rows])
        start += length
