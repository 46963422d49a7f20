"""Trajectories in a safetensors file, of which single rows can be read.

Format, version 2. Tensors, for `N` episodes with `T` transitions in all:

| tensor | shape | |
|---|---|---|
| `lengths` | (N,) | int64: transitions of each episode |
| `terminal` | (N,) | bool: whether it ended in a terminal state (a time limit is not one) |
| `obs` | (T + N, *obs_shape) | the episodes' observations one after the other |
| `acts` | (T, *act_shape) | |
| `rews` | (T,) | left out where rewards are unknown |

The file's `__metadata__` has the texts `format`, `version`, `header` (JSON: the two spaces or null,
and what the writer added) and `sha256`: of the whole file with 64 zeros in its place. Info dicts
are not kept. Version 1 is an uncompressed `.npz` of the same arrays; `formats.own` reads it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Space
from safetensors import safe_open

from airl_cli.data.spaces import describe, space_from_dict, space_to_dict
from airl_cli.data.types import EpisodeSequence, Trajectory, TrajectoryWithRew
from airl_cli.data.validate import check_uniform, explained
from airl_cli.errors import InvalidValueError, NotFoundError
from airl_cli.files import atomic_write, to_jsonable

FORMAT = "airl-cli trajectories"
VERSION = 2
_WHAT = "trajectory file"
_UNSIGNED = "0" * 64  # in place of the checksum
_MAX_HEADER_BYTES = 2**26
_DTYPES = {
    **{"F16": np.float16, "F32": np.float32, "F64": np.float64, "BOOL": np.bool_},
    **{"I8": np.int8, "I16": np.int16, "I32": np.int32, "I64": np.int64},
    **{"U8": np.uint8, "U16": np.uint16, "U32": np.uint32, "U64": np.uint64},
}
_DTYPE_NAMES = {np.dtype(dtype): name for name, dtype in _DTYPES.items()}

Columns = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Header:
    """What a trajectory file says about itself.

    Attributes:
        observation_space: Of the environment, if it was saved.
        action_space: Of the environment, if it was saved.
        metadata: What the writer added, such as where the trajectories come from.
    """

    observation_space: Space[Any] | None = None
    action_space: Space[Any] | None = None
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON-able.

        Raises:
            InvalidTypeError: If a space or the metadata has no JSON form.
        """
        spaces = {"observation_space": self.observation_space, "action_space": self.action_space}
        described = {n: None if s is None else space_to_dict(s) for n, s in spaces.items()}
        return {**described, "metadata": to_jsonable(dict(self.metadata))}

    @classmethod
    def from_json(cls, data: Any) -> Header:
        """From what `to_json` gave.

        Raises:
            InvalidValueError: If fields are missing, unknown or invalid.
        """
        names = {"observation_space", "action_space", "metadata"}
        if not isinstance(data, dict) or set(data) != names:
            raise InvalidValueError("its header lacks or has unknown fields")
        if not isinstance(data["metadata"], dict):
            raise InvalidValueError("its header lacks or has unknown fields")
        described = (data["observation_space"], data["action_space"])
        spaces = [None if one is None else space_from_dict(one) for one in described]
        return cls(spaces[0], spaces[1], data["metadata"])

    def check(self, obs_shape: tuple[int, ...], act_shape: tuple[int, ...]) -> None:
        """Compares the spaces with the shapes of one observation and one action.

        Raises:
            InvalidValueError: If one differs.
        """
        for space, shape, what in (
            (self.observation_space, obs_shape, "observations"),
            (self.action_space, act_shape, "actions"),
        ):
            if what == "actions" and shape == (0,):
                continue  # none are known
            if space is not None and space.shape != shape:
                raise InvalidValueError(
                    f"{what} of shape {shape} do not fit the space {describe(space)}."
                )


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
        path: File to write; by convention it ends in `.safetensors`.
        trajectories: At least one; either all with rewards or none. Infos are not kept. A sequence
            is read once per field, so that it may be larger than memory.
        observation_space: Of the environment; written down and compared with the observations.
        action_space: Of the environment; written down and compared with the actions.
        metadata: Anything with a JSON form.

    Raises:
        InvalidValueError: If there are no trajectories, they do not fit each other or the spaces,
            or `path` cannot be written.
        InvalidTypeError: If a space or the metadata has no JSON form.
    """
    episodes = trajectories if isinstance(trajectories, Sequence) else list(trajectories)
    lengths, terminal = check_uniform("the recording", episodes)
    first, total = episodes[0], int(lengths.sum())
    header = Header(observation_space, action_space, metadata or {})
    header.check(first.obs.shape[1:], first.acts.shape[1:])
    columns: dict[str, tuple[int, Callable[[], Iterator[np.ndarray]]]] = {
        "lengths": (len(lengths), lambda: iter([lengths])),
        "terminal": (len(lengths), lambda: iter([terminal])),
        "obs": (total + len(lengths), lambda: (t.obs for t in episodes)),
        "acts": (total, lambda: (t.acts for t in episodes)),
    }
    if isinstance(first, TrajectoryWithRew):
        columns["rews"] = (total, lambda: (getattr(t, "rews") for t in episodes))  # noqa: B009
    samples = {name: next(parts()) for name, (_, parts) in columns.items()}
    # Safetensors wants no gaps, and readers like elements at multiples of their size.
    order = sorted(columns, key=lambda name: -samples[name].dtype.itemsize)
    encoded = _encode(
        header, {name: (columns[name][0], *samples[name].shape[1:]) for name in order}, samples
    )
    digest = hashlib.sha256(encoded)
    with atomic_write(Path(path)) as file:
        file.write(encoded)
        for name in order:
            for part in columns[name][1]():
                raw = part.astype(part.dtype.newbyteorder("<"), copy=False).tobytes()
                digest.update(raw)
                file.write(raw)
        file.seek(encoded.index(_UNSIGNED.encode()))
        file.write(digest.hexdigest().encode())


def _encode(
    header: Header, shapes: Mapping[str, tuple[int, ...]], samples: Mapping[str, np.ndarray]
) -> bytes:
    """The beginning of the file: the length of the header (8 bytes), and the header."""
    content: dict[str, Any] = {
        "__metadata__": {
            "sha256": _UNSIGNED,
            "format": FORMAT,
            "version": str(VERSION),
            "header": json.dumps(header.to_json(), allow_nan=False),
        }
    }
    end = 0
    for name, shape in shapes.items():
        dtype = samples[name].dtype.newbyteorder("=")
        if dtype not in _DTYPE_NAMES:
            raise InvalidValueError(
                f"{name} of type {dtype} cannot be kept.", "Store another type."
            )
        begin, end = end, end + math.prod(shape) * dtype.itemsize
        content[name] = {"dtype": _DTYPE_NAMES[dtype], "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(content, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def load(path: str | os.PathLike[str]) -> list[Trajectory]:
    """Read trajectories; `TrajectoryWithRew` if the file has rewards, all without infos.

    Raises:
        NotFoundError: If there is no such file.
        InvalidValueError: If it is damaged, of another format or of a newer version.
    """
    file = TrajectoryFile(path)
    file.verify()
    return file.load()


@dataclasses.dataclass(frozen=True)
class _Column:
    """Where a tensor lies in the file."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int


class TrajectoryFile(EpisodeSequence):
    """The trajectories of a file, read one by one as they are asked for.

    Opening reads the header, the lengths and the terminal flags; `verify` then reads the file
    through once to compare its checksum. Rows are read with plain file reads and not through a
    memory map, whose pages would count as this process's memory once touched. The file stays open,
    and must stay as it is, while the object lives.

    Args:
        path: The file.

    Attributes:
        path: The file.
        header: What it says about itself.
        lengths: Transitions of each episode (n_episodes,) int64.
        terminal: Whether each ended in a terminal state (n_episodes,) bool.

    Raises:
        NotFoundError: If there is no such file.
        InvalidValueError: If it is damaged, of another format or of a newer version.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise NotFoundError(f"there is no {_WHAT} {path}.", "Check the path.")
        with explained(path, _WHAT):
            self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - stays open
            self._columns, self.header = _read_layout(self.path)
            missing = {"lengths", "terminal", "obs", "acts"} - set(self._columns)
            if missing or set(self._columns) - {"lengths", "terminal", "obs", "acts", "rews"}:
                raise InvalidValueError("it has other tensors than a trajectory file")
            self.lengths, self.terminal = self._whole("lengths"), self._whole("terminal")
            _check_lengths(self.lengths, self.terminal, self._columns)
            self.header.check(*(self._columns[name].shape[1:] for name in ("obs", "acts")))
        self._ends = np.cumsum(self.lengths)

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    def verify(self) -> None:
        """Compare the file with the checksum in it.

        Raises:
            InvalidValueError: If a byte has changed.
        """
        with explained(self.path, _WHAT), self.path.open("rb") as file:
            size = file.read(8)
            text = file.read(int.from_bytes(size, "little"))
            written = json.loads(text)["__metadata__"]["sha256"]
            digest = hashlib.sha256(size + text.replace(written.encode(), _UNSIGNED.encode(), 1))
            while piece := file.read(2**22):
                digest.update(piece)
            if digest.hexdigest() != written:
                raise InvalidValueError("its checksum is wrong")

    def load(self) -> list[Trajectory]:
        """All trajectories; their arrays are parts of few large ones."""
        whole = {name: self._whole(name) for name in self._columns}
        return [self._trajectory(i, lambda name, a, b: whole[name][a:b]) for i in range(len(self))]

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self.lengths)

    def _episode(self, place: int) -> Trajectory:
        return self._trajectory(place, lambda name, a, b: self._rows(name, [a], b - a)[0])

    def _trajectory(self, number: int, read: Callable[[str, int, int], np.ndarray]) -> Trajectory:
        stop, length = int(self._ends[number]), int(self.lengths[number])
        start = stop - length
        obs = read("obs", start + number, stop + number + 1)  # one more per episode
        acts, terminal = read("acts", start, stop), bool(self.terminal[number])
        if "rews" not in self._columns:
            return Trajectory(obs, acts, None, terminal)
        return TrajectoryWithRew(obs, acts, None, terminal, read("rews", start, stop))

    @property
    def n_transitions(self) -> int:
        """Of all episodes together."""
        return int(self._ends[-1])

    @property
    def nbytes(self) -> int:
        """Memory that `load` would take."""
        return sum(math.prod(c.shape) * c.dtype.itemsize for c in self._columns.values())

    @property
    def returns(self) -> np.ndarray:
        """True returns (n_episodes,) float64; empty where rewards are unknown."""
        if "rews" not in self._columns:
            return np.empty(0)
        pairs = zip((self._ends - self.lengths).tolist(), self.lengths.tolist(), strict=True)
        return np.array([self._rows("rews", [a], n).sum(dtype=np.float64) for a, n in pairs])

    def read_transitions(self, index: np.ndarray) -> Columns:
        """Transitions by their number in the file, only these being read.

        Args:
            index: Numbers (n,) from 0 to `n_transitions - 1`.

        Returns:
            `obs`, `acts`, `next_obs` and `dones`, each with n rows.
        """
        episode = np.searchsorted(self._ends, index, side="right")
        pairs = self._rows("obs", (index + episode).tolist(), 2)
        return {
            "obs": pairs[:, 0],
            "acts": self._rows("acts", index.tolist(), 1)[:, 0],
            "next_obs": pairs[:, 1],
            "dones": (index + 1 == self._ends[episode]) & self.terminal[episode],
        }

    def _whole(self, name: str) -> np.ndarray:
        column = self._columns[name]
        self._file.seek(column.offset)
        values = np.fromfile(self._file, dtype=column.dtype, count=math.prod(column.shape))
        return values.reshape(column.shape)

    def _rows(self, name: str, starts: Sequence[int], n: int) -> np.ndarray:
        """For each start, `n` rows from there: (len(starts), n, ...)."""
        column, file = self._columns[name], self._file.fileno()
        step = math.prod(column.shape[1:]) * column.dtype.itemsize
        size = n * step
        raw = bytearray().join([os.pread(file, size, column.offset + s * step) for s in starts])
        if len(raw) != len(starts) * size:
            raise InvalidValueError(f"{self.path} ends too early.", "Leave it as it is while used.")
        return np.frombuffer(raw, column.dtype).reshape(len(starts), n, *column.shape[1:])


def _read_layout(path: Path) -> tuple[dict[str, _Column], Header]:
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > _MAX_HEADER_BYTES:
            raise InvalidValueError("its header is too long, or it is of another format")
        with safe_open(path, framework="np") as checked:  # compares offsets, shapes and size
            metadata = checked.metadata() or {}
        content = json.loads(file.read(size))
    if metadata.get("format") != FORMAT:
        raise InvalidValueError("its header is not one of a trajectory file")
    check_version(metadata.get("version", ""), VERSION)
    if not {"sha256", "header"} <= set(metadata):
        raise InvalidValueError("its header lacks or has unknown fields")
    header = Header.from_json(json.loads(metadata["header"]))
    del content["__metadata__"]
    columns = {}
    for name, tensor in content.items():
        if tensor["dtype"] not in _DTYPES:
            raise InvalidValueError(f"{name} is of type {tensor['dtype']}")
        dtype = np.dtype(_DTYPES[tensor["dtype"]])
        columns[name] = _Column(dtype, tuple(tensor["shape"]), 8 + size + tensor["data_offsets"][0])
    return columns, header


def check_version(version: Any, newest: int) -> None:
    """Refuses a version of the format that is none, or newer than this program.

    Raises:
        InvalidValueError: Naming it.
    """
    number = int(version) if str(version).isdecimal() else 0
    if number < 1:
        raise InvalidValueError(f"its format version is {version!r}")
    if number > newest:
        raise InvalidValueError(
            f"it has format version {number}, this airl-cli reads up to {newest}",
            "Upgrade airl-cli: pip install --upgrade airl-cli",
        )


def _check_lengths(
    lengths: np.ndarray, terminal: np.ndarray, columns: Mapping[str, _Column]
) -> None:
    if lengths.dtype != np.int64 or lengths.ndim != 1 or len(lengths) == 0 or lengths.min() < 1:
        raise InvalidValueError("its episode lengths are not positive integers")
    if terminal.dtype != np.bool_ or terminal.shape != lengths.shape:
        raise InvalidValueError("it does not say of each episode whether it ended terminally")
    total = sum(lengths.tolist())  # Python's integers do not overflow
    wanted = {"obs": total + len(lengths), "acts": total, "rews": total}
    for name in (name for name in wanted if name in columns):
        found = columns[name].shape[0] if columns[name].shape else "no"
        if found != wanted[name]:
            raise InvalidValueError(f"it has {found} {name} instead of {wanted[name]}")
    rews = columns.get("rews")
    if rews is not None and (len(rews.shape) != 1 or rews.dtype.kind != "f"):
        raise InvalidValueError(f"its rews of shape {rews.shape} are not one number per step")
