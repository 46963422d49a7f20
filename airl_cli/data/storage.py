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

Members are stored uncompressed, so that single rows can be read from a file larger than memory
(`TrajectoryFile`). The header names the members that belong to the file. Info dicts are not kept.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Space
from numpy.lib import format as npy

from airl_cli.data.header import MEMBERS, VERSION, Header, read_header
from airl_cli.data.npz import Column, named, read_member
from airl_cli.data.sequence import EpisodeSequence
from airl_cli.data.spaces import describe
from airl_cli.data.types import Trajectory, TrajectoryWithRew
from airl_cli.errors import InvalidValueError
from airl_cli.serialization import atomic_write


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
    if not isinstance(trajectories, Sequence):
        trajectories = list(trajectories)
    # A sequence may read its items from a file: one pass per member, one trajectory at a time.
    lengths, terminal = _check_uniform(trajectories)
    first = trajectories[0]
    _check_space(observation_space, first.obs, "observations")
    _check_space(action_space, first.acts, "actions")
    with_rews = isinstance(first, TrajectoryWithRew)
    members = MEMBERS | {"rews"} if with_rews else MEMBERS
    header = Header(VERSION, members, observation_space, action_space, dict(metadata or {}))
    encoded = header.encoded()
    total = int(lengths.sum())
    with atomic_write(Path(path)) as file, zipfile.ZipFile(file, "w") as archive:
        _write_member(archive, "header", len(encoded), [encoded])
        _write_member(archive, "lengths", len(lengths), [lengths])
        _write_member(archive, "terminal", len(terminal), [terminal])
        _write_member(archive, "obs", total + len(lengths), (t.obs for t in trajectories))
        _write_member(archive, "acts", total, (t.acts for t in trajectories))
        if with_rews:
            rews = (t.rews for t in trajectories if isinstance(t, TrajectoryWithRew))
            _write_member(archive, "rews", total, rews)


def load(path: str | os.PathLike[str]) -> list[Trajectory]:
    """Read trajectories; `TrajectoryWithRew` if the file has rewards, all without infos.

    Raises:
        NotFoundError: If there is no such file.
        InvalidValueError: If it is damaged, of another format or of a newer version.
    """
    file = TrajectoryFile(path)
    file.verify()
    return file.load()


def load_header(path: str | os.PathLike[str]) -> Header:
    """Read what the file says about itself, without its arrays.

    Raises:
        NotFoundError: If there is no such file.
        InvalidValueError: If it is damaged, of another format or of a newer version.
    """
    with named(path), zipfile.ZipFile(path) as archive:
        return read_header(archive)


class TrajectoryFile(EpisodeSequence):
    """The trajectories of a file, read one by one as they are asked for.

    Opening reads the header, the lengths and the terminal flags; `verify` then reads the file
    through once, a piece at a time, to compare its checksums. The file stays open, and must stay
    as it is, while the object lives.

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
        with named(path):
            with zipfile.ZipFile(path) as archive:
                self.header = read_header(archive)
                self.lengths, self.terminal = (
                    read_member(archive, name) for name in ("lengths", "terminal")
                )
                infos = {name: archive.getinfo(f"{name}.npy") for name in ("obs", "acts")}
                if "rews" in self.header.members:
                    infos["rews"] = archive.getinfo("rews.npy")
            self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - stays open
            self._columns = {name: Column(self._file, info) for name, info in infos.items()}
            _check_columns(self.lengths, self.terminal, self._columns)
            _check_space(self.header.observation_space, self._columns["obs"], "observations")
            _check_space(self.header.action_space, self._columns["acts"], "actions")
        self._ends = np.cumsum(self.lengths)

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    def verify(self) -> None:
        """Compare the checksums of everything that has not been read yet.

        Raises:
            InvalidValueError: If a byte has changed.
        """
        with named(self.path):
            for column in self._columns.values():
                column.verify()

    def load(self) -> list[Trajectory]:
        """All trajectories; their arrays are parts of few large ones."""
        whole = {name: column.read(0, len(column)) for name, column in self._columns.items()}
        return [self._trajectory(i, lambda name, a, b: whole[name][a:b]) for i in range(len(self))]

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self.lengths)

    def _episode(self, place: int) -> Trajectory:
        return self._trajectory(place, lambda name, a, b: self._columns[name].read(a, b))

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
        columns = self._columns.values()
        return sum(int(np.prod(c.shape, dtype=np.int64)) * c.dtype.itemsize for c in columns)

    @property
    def returns(self) -> np.ndarray:
        """True returns (n_episodes,) float64; empty where rewards are unknown."""
        if "rews" not in self._columns:
            return np.empty(0)
        starts = self._ends - self.lengths
        column = self._columns["rews"]
        pairs = zip(starts.tolist(), self._ends.tolist(), strict=True)
        return np.array([column.read(a, b).sum(dtype=np.float64) for a, b in pairs])

    def rows(self, index: np.ndarray) -> dict[str, np.ndarray]:
        """Transitions by their number in the file, only these being read.

        Args:
            index: Numbers (n,) from 0 to `n_transitions - 1`.

        Returns:
            `obs`, `acts`, `next_obs` and `dones`, each with n rows.
        """
        episode = np.searchsorted(self._ends, index, side="right")
        pairs = self._columns["obs"].pick(index + episode, width=2)
        return {
            "obs": pairs[:, 0],
            "acts": self._columns["acts"].pick(index)[:, 0],
            "next_obs": pairs[:, 1],
            "dones": (index + 1 == self._ends[episode]) & self.terminal[episode],
        }


def _check_uniform(trajectories: Sequence[Trajectory]) -> tuple[np.ndarray, np.ndarray]:
    """Lengths and terminal flags of trajectories that go together."""
    if not len(trajectories):
        raise InvalidValueError("there are no trajectories to save.")
    first = trajectories[0]
    lengths = np.empty(len(trajectories), dtype=np.int64)
    terminal = np.empty(len(trajectories), dtype=bool)
    for index, trajectory in enumerate(trajectories):
        lengths[index], terminal[index] = len(trajectory), trajectory.terminal
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
    return lengths, terminal


def _check_space(space: Space[Any] | None, values: np.ndarray | Column, what: str) -> None:
    if space is not None and space.shape != values.shape[1:]:
        raise InvalidValueError(
            f"{what} of shape {values.shape[1:]} do not fit the space {describe(space)}."
        )


def _write_member(
    archive: zipfile.ZipFile, name: str, length: int, parts: Iterable[np.ndarray]
) -> None:
    # Part by part: the whole may be larger than memory.
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        for number, part in enumerate(parts):
            if number == 0:
                header = {
                    "descr": npy.dtype_to_descr(part.dtype),
                    "fortran_order": False,
                    "shape": (length, *part.shape[1:]),
                }
                npy.write_array_header_1_0(file, header)
            file.write(part.tobytes())


def _check_columns(
    lengths: np.ndarray, terminal: np.ndarray, columns: Mapping[str, Column]
) -> None:
    if lengths.dtype != np.int64 or lengths.ndim != 1 or len(lengths) == 0 or lengths.min() < 1:
        raise InvalidValueError("its episode lengths are not positive integers")
    if terminal.dtype != np.bool_ or terminal.shape != lengths.shape:
        raise InvalidValueError("it does not say of each episode whether it ended terminally")
    total = sum(lengths.tolist())  # Python's integers do not overflow
    for name, column in columns.items():
        wanted = total + len(lengths) if name == "obs" else total
        if len(column) != wanted:
            raise InvalidValueError(f"it has {len(column)} {name} instead of {wanted}")
    rews = columns.get("rews")
    if rews is not None and (len(rews.shape) != 1 or rews.dtype.kind != "f"):
        raise InvalidValueError(f"its rews of shape {rews.shape} are not one number per step")
