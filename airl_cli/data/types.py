"""Trajectories (whole episodes) and transitions (single steps, in no particular order).

All of them are immutable records of NumPy arrays whose first axis is time (trajectories) or the
batch (transitions). `terminal` and `dones` mean a terminal state of the MDP; the last state before
a time limit is not terminal, and is bootstrapped (Pardo et al. 2018, arXiv 1712.00378).
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict, TypeVar, overload

import numpy as np
import torch as th
from torch.utils.data import Dataset

from airl_cli.errors import InvalidTypeError, InvalidValueError

Infos = np.ndarray | Sequence[Mapping[str, Any]] | None
Self_ = TypeVar("Self_", bound="TransitionsMinimal")


class TransitionMapping(TypedDict, total=False):
    """A batch of transitions by field; `obs` and `acts` are always there."""

    obs: np.ndarray | th.Tensor
    acts: np.ndarray | th.Tensor
    next_obs: np.ndarray | th.Tensor
    dones: np.ndarray | th.Tensor
    rews: np.ndarray | th.Tensor


class _Record:
    """Equality and conversion shared by the records below."""

    def _convert(self, *names: str) -> None:
        for name in names:
            array = np.asarray(getattr(self, name))
            if array.dtype.kind not in "biuf":
                raise InvalidTypeError(
                    f"{type(self).__name__}.{name} holds {array.dtype} values; "
                    "only arrays of numbers or booleans are supported.",
                    "Flatten Dict and Tuple spaces first (gymnasium.wrappers.FlattenObservation).",
                )
            object.__setattr__(self, name, array)

    def _convert_infos(self, length: int) -> None:
        infos = getattr(self, "infos")  # noqa: B009 - the field is declared by the subclasses
        if infos is None:
            return
        _check(len(infos) == length, self, f"{len(infos)} infos for {length} actions")
        if not isinstance(infos, np.ndarray):
            object.__setattr__(self, "infos", as_object_array(infos))

    def _convert_column(self, name: str, length: int) -> np.ndarray:
        """One number for each action; a column (length, 1) is flattened."""
        self._convert(name)
        column: np.ndarray = getattr(self, name)
        if column.shape == (length, 1):
            column = column[:, 0]
        shape = column.shape
        _check(shape == (length,), self, f"{name} of shape {shape} instead of ({length},)")
        return column

    def _convert_rews(self, length: int) -> None:
        rews = self._convert_column("rews", length)
        if rews.dtype.kind != "f":
            rews = rews.astype(np.float32)
        object.__setattr__(self, "rews", rews)

    def __eq__(self, other: object) -> bool:
        """Equal fields; no infos equal empty ones."""
        if type(self) is not type(other):
            return NotImplemented
        return all(
            _equal(getattr(self, field.name), getattr(other, field.name))
            for field in dataclasses.fields(self)  # type: ignore[arg-type]
        )

    __hash__ = None  # type: ignore[assignment]  # arrays inside


@dataclasses.dataclass(frozen=True, eq=False)
class Trajectory(_Record):
    """One episode, or the part of it before a time limit.

    Attributes:
        obs: Observations, `(T + 1, *obs_shape)`; the last one is where the episode ended.
        acts: Actions as they reached the environment, `(T, *act_shape)`; `(T, 0)` where none are
            known.
        infos: `T` info dicts, or None.
        terminal: Whether the last observation is a terminal state (a time limit is not one).

    Raises:
        InvalidValueError: If the lengths do not fit each other, or `T` is 0.
        InvalidTypeError: If observations or actions are not plain arrays of numbers.
    """

    obs: np.ndarray
    acts: np.ndarray
    infos: Infos
    terminal: bool

    def __post_init__(self) -> None:
        self._convert("obs", "acts")
        _check(self.acts.ndim > 0 and self.obs.ndim > 0, self, "a scalar instead of a sequence")
        n_acts, n_obs = len(self.acts), len(self.obs)
        _check(n_acts >= 1, self, "no actions; an episode has at least one step")
        _check(
            n_obs == n_acts + 1,
            self,
            f"{n_obs} observations for {n_acts} actions; there must be one more (the last one)",
        )
        self._convert_infos(n_acts)
        object.__setattr__(self, "terminal", bool(self.terminal))

    def __len__(self) -> int:
        """Number of transitions `T`."""
        return len(self.acts)


@dataclasses.dataclass(frozen=True, eq=False)
class TrajectoryWithRew(Trajectory):
    """A trajectory with the reward of each step.

    Attributes:
        rews: `(T,)` floats.
    """

    rews: np.ndarray

    def __post_init__(self) -> None:
        super().__post_init__()
        self._convert_rews(len(self.acts))


@dataclasses.dataclass(frozen=True, eq=False)
class TransitionsMinimal(_Record, Dataset[dict[str, Any]]):
    """A batch of observations and actions; a torch `Dataset`.

    `batch[3]` is a dict of arrays (so that a `DataLoader` can be made of it), `batch[2:5]` and
    `batch[[4, 1]]` are batches of the same class. A field that is None is left out of the dict.

    Attributes:
        obs: `(n, *obs_shape)`.
        acts: `(n, *act_shape)`.
        infos: `n` info dicts, or None.

    Raises:
        InvalidValueError: If the lengths differ.
        InvalidTypeError: If a field is not a plain array of numbers.
    """

    obs: np.ndarray
    acts: np.ndarray
    infos: Infos

    def __post_init__(self) -> None:
        self._convert("obs", "acts")
        _check(self.acts.ndim > 0 and self.obs.ndim > 0, self, "a scalar instead of a batch")
        _check(
            len(self.obs) == len(self.acts),
            self,
            f"{len(self.obs)} observations for {len(self.acts)} actions",
        )
        self._convert_infos(len(self.acts))

    def __len__(self) -> int:
        """Number of transitions."""
        return len(self.acts)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self: Self_, index: slice | Sequence[int] | np.ndarray) -> Self_: ...

    def __getitem__(self, index: Any) -> Any:
        """One transition as a dict, or several as a batch (slices are views)."""
        if not isinstance(index, (int, np.integer, slice)):
            index = np.asarray(index)
        picked: dict[str, Any] = {
            field.name: value if value is None else value[index]
            for field in dataclasses.fields(self)
            for value in (getattr(self, field.name),)
        }
        if isinstance(index, (int, np.integer)):
            return {name: value for name, value in picked.items() if value is not None}
        return dataclasses.replace(self, **picked)


@dataclasses.dataclass(frozen=True, eq=False)
class Transitions(TransitionsMinimal):
    """Transitions (s, a, s', done).

    Attributes:
        next_obs: `(n, *obs_shape)`; after a time limit, the true last observation.
        dones: `(n,)` booleans: is `next_obs` a *terminal* state? A time limit does not make it one.
    """

    next_obs: np.ndarray
    dones: np.ndarray

    def __post_init__(self) -> None:
        super().__post_init__()
        self._convert("next_obs")
        _check(
            self.next_obs.shape == self.obs.shape,
            self,
            f"obs of shape {self.obs.shape} but next_obs of shape {self.next_obs.shape}",
        )
        dones = self._convert_column("dones", len(self))
        if dones.dtype != np.bool_:
            flags = bool(np.isin(dones, (0, 1)).all())
            _check(flags, self, "dones that are neither true nor false")
        object.__setattr__(self, "dones", dones.astype(bool, copy=False))


@dataclasses.dataclass(frozen=True, eq=False)
class TransitionsWithRew(Transitions):
    """Transitions with their rewards.

    Attributes:
        rews: `(n,)` floats.
    """

    rews: np.ndarray

    def __post_init__(self) -> None:
        super().__post_init__()
        self._convert_rews(len(self))


class EpisodeSequence(Sequence[Trajectory], abc.ABC):
    """A sequence of episodes, each made when it is asked for."""

    @abc.abstractmethod
    def _episode(self, place: int) -> Trajectory:
        """The episode at a place from 0 to `len(self) - 1`."""

    @overload
    def __getitem__(self, index: int) -> Trajectory: ...

    @overload
    def __getitem__(self, index: slice) -> list[Trajectory]: ...

    def __getitem__(self, index: int | slice) -> Trajectory | list[Trajectory]:
        """The episode at this place, or several."""
        if isinstance(index, slice):
            return [self._episode(place) for place in range(*index.indices(len(self)))]
        return self._episode(range(len(self))[index])


def true_returns(trajectories: Iterable[Trajectory]) -> np.ndarray:
    """Undiscounted returns, `(n_trajectories,)` float64.

    Raises:
        InvalidTypeError: If a trajectory carries no rewards.
    """
    returns = []
    for index, trajectory in enumerate(trajectories):
        if not isinstance(trajectory, TrajectoryWithRew):
            raise InvalidTypeError(
                f"trajectory {index} has no rewards, so its return is unknown.",
                "Record it with rewards (TrajectoryWithRew).",
            )
        returns.append(float(np.sum(trajectory.rews, dtype=np.float64)))
    return np.asarray(returns, dtype=np.float64)


def transitions_collate_fn(batch: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Collate function for a `DataLoader` over transitions that carry info dicts.

    Arrays are stacked into tensors of shape `(batch, ...)`; infos stay a list of dicts.
    """
    collated: dict[str, Any] = {
        name: th.as_tensor(np.stack([item[name] for item in batch]))
        for name in batch[0]
        if name != "infos"
    }
    if "infos" in batch[0]:
        collated["infos"] = [item["infos"] for item in batch]
    return collated


def as_object_array(items: Sequence[Any]) -> np.ndarray:
    """A one-dimensional object array; `np.array` would look into nested sequences."""
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def _check(condition: bool, record: object, problem: str) -> None:
    if not condition:
        raise InvalidValueError(f"invalid {type(record).__name__}: {problem}.")


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        if a.dtype == object or b.dtype == object:
            return len(a) == len(b) and all(_info_equal(x, y) for x, y in zip(a, b, strict=True))
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if a is None or b is None:  # infos
        return all(not info for infos in (a, b) if infos is not None for info in infos)
    return bool(a == b)


def _info_equal(a: Any, b: Any) -> bool:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_info_equal(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return bool(np.array_equal(a, b))
    return bool(a == b)
