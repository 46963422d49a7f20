"""Where the discriminator's samples come from: demonstrations, and the generator's own past."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch as th
from torch.utils.data import DataLoader

from airl_cli.algorithms.absorbing import Ends
from airl_cli.algorithms.batch import TransitionBatch, concatenate
from airl_cli.data.rollout import flatten_trajectories
from airl_cli.data.transitions import RowsWithoutActions, has_actions
from airl_cli.data.types import Trajectory, TransitionsMinimal
from airl_cli.errors import InvalidTypeError, InvalidValueError

TransitionMapping = Mapping[str, np.ndarray | th.Tensor]


@runtime_checkable
class RowReader(Protocol):
    """Transitions that stay where they are until they are drawn, such as in a large file."""

    def __len__(self) -> int: ...

    def rows(self, index: np.ndarray) -> TransitionMapping:
        """The fields of `TransitionBatch` for the transitions with these numbers (n,)."""
        ...


Demonstrations = TransitionsMinimal | Iterable[Trajectory] | Iterable[TransitionMapping] | RowReader


class Sampler(Protocol):
    """Gives batches of transitions without end."""

    def sample(self, n: int) -> TransitionBatch:
        """`n` transitions."""
        ...

    def ends(self) -> Ends:
        """How often episodes end in a terminal state, in all there is or all that was drawn."""
        ...


class ArraySampler:
    """Draws from transitions that are all there.

    Args:
        transitions: What to draw from.
        rng: Source of the draws.
    """

    def __init__(self, transitions: TransitionBatch, rng: np.random.Generator) -> None:
        self.transitions = transitions
        self.rng = rng

    def __len__(self) -> int:
        return len(self.transitions)

    def sample(self, n: int) -> TransitionBatch:
        """`n` transitions, uniformly; with repetition only if fewer are there."""
        index = _draw(len(self), n, self.rng)
        return self.transitions.rows(th.as_tensor(index, device=self.transitions.dones.device))

    def some(self, n: int) -> TransitionBatch:
        """At most `n` transitions, evenly spaced; no random stream moves."""
        return self.transitions.rows(_spaced(len(self), n))

    def ends(self) -> Ends:
        """Of all transitions."""
        return Ends(float(self.transitions.dones.sum()), len(self))


class DrawnSampler(abc.ABC):
    """Draws from transitions that are not all in memory, and counts the ends among those drawn.

    Attributes:
        drawn: Terminal and all transitions that were drawn so far.
    """

    def __init__(self) -> None:
        self.drawn = Ends(0, 0)

    @abc.abstractmethod
    def _draw(self, n: int) -> TransitionBatch:
        """`n` transitions."""

    def sample(self, n: int) -> TransitionBatch:
        """`n` transitions."""
        batch = self._draw(n)
        n_ends, n_steps = self.drawn
        self.drawn = Ends(n_ends + float(batch.dones.sum()), n_steps + len(batch))
        return batch

    def ends(self) -> Ends:
        """Of the transitions drawn so far."""
        return self.drawn


class RowSampler(DrawnSampler):
    """Draws like `ArraySampler`, from transitions of which only those drawn are read.

    Args:
        reader: Reads them.
        rng: Source of the draws.
    """

    def __init__(self, reader: RowReader, rng: np.random.Generator) -> None:
        super().__init__()
        self.reader = reader
        self.rng = rng

    def __len__(self) -> int:
        return len(self.reader)

    def _draw(self, n: int) -> TransitionBatch:
        """As `ArraySampler.sample`."""
        return TransitionBatch.of(self.reader.rows(_draw(len(self), n, self.rng)))


class StreamSampler(DrawnSampler):
    """Cuts batches of the size asked for out of an iterable of mappings, again and again.

    Args:
        batches: Mappings with the fields of `TransitionBatch`; read anew when it ends.
    """

    def __init__(self, batches: Iterable[TransitionMapping]) -> None:
        super().__init__()
        self._batches = batches
        self._iterator: Iterator[TransitionMapping] = iter(())
        self._left: TransitionBatch | None = None

    def _draw(self, n: int) -> TransitionBatch:
        """The next `n` transitions of the stream."""
        batch = self._left if self._left is not None else self._next()
        while len(batch) < n:
            batch = concatenate(batch, self._next())
        self._left = batch.rows(slice(n, None)) if len(batch) > n else None
        return batch.rows(slice(0, n))

    def _next(self) -> TransitionBatch:
        mapping = next(self._iterator, None)
        if mapping is None:
            self._iterator = iter(self._batches)
            mapping = next(self._iterator, None)
        if mapping is None:
            raise InvalidValueError(
                "the demonstrations' iterable has nothing (more) to give.",
                "Give one that can be read from the start again, such as a list or a DataLoader.",
            )
        return TransitionBatch.of(mapping)


class GeneratorBuffer:
    """Transitions of the generator: the newest, or a sample of all it ever made.

    Args:
        capacity: How many transitions are kept.
        rng: Source of the draws.
        reservoir: Once it is full, keep a uniform sample of everything that was ever stored
            (Vitter 1985, algorithm R) instead of the newest.

    Raises:
        InvalidValueError: No capacity.
    """

    def __init__(self, capacity: int, rng: np.random.Generator, *, reservoir: bool = False) -> None:
        if capacity < 1:
            raise InvalidValueError(
                f"gen_replay_buffer_capacity={capacity} keeps nothing.",
                "Give at least 1, or null for one round.",
            )
        self.capacity = capacity
        self.rng = rng
        self.reservoir = reservoir
        self._stored: TransitionBatch | None = None
        self._size = 0
        self._n_seen = 0

    def __len__(self) -> int:
        return self._size

    def store(self, new: TransitionBatch) -> None:
        """Takes transitions in; of more than fit, those that are kept."""
        if self._stored is None:
            self._stored = TransitionBatch(
                *(column.new_zeros((self.capacity, *column.shape[1:])) for column in new)
            )
        places, rows = self._places(len(new))
        for column, values in zip(self._stored, new, strict=True):
            column[places] = values[rows].to(column.device)
        self._n_seen += len(new)
        self._size = min(self.capacity, self._n_seen)

    def _places(self, n: int) -> tuple[th.Tensor, th.Tensor]:
        """Where which of the next `n` transitions go; every place once."""
        number = self._n_seen + np.arange(n)
        place = number % self.capacity
        if self.reservoir:
            late = number >= self.capacity
            place[late] = self.rng.integers(0, number[late] + 1)
        row = np.flatnonzero(place < self.capacity)
        # Of several for one place the last stays, as if they had come one by one.
        place, last = np.unique(place[row][::-1], return_index=True)
        return th.as_tensor(place), th.as_tensor(row[::-1][last].copy())

    def sample(self, n: int) -> TransitionBatch:
        """`n` transitions, uniformly; with repetition only if fewer are there.

        Raises:
            RuntimeError: None were ever stored.
        """
        if self._stored is None:
            raise RuntimeError("no generator samples yet: call train_gen() first")
        return self._stored.rows(th.as_tensor(_draw(self._size, n, self.rng)))

    def some(self, n: int) -> TransitionBatch:
        """At most `n` stored transitions, evenly spaced; no random stream moves."""
        if self._stored is None:
            raise RuntimeError("no generator samples yet: call train_gen() first")
        return self._stored.rows(_spaced(self._size, n))

    def ends(self) -> Ends:
        """Of all stored transitions."""
        dones = 0.0 if self._stored is None else float(self._stored.dones[: self._size].sum())
        return Ends(dones, self._size)

    def state_dict(self) -> dict[str, Any]:
        """What is stored, and of how many."""
        stored = None
        if self._stored is not None:
            names = TransitionBatch._fields
            stored = {n: c[: self._size] for n, c in zip(names, self._stored, strict=True)}
        return {"stored": stored, "n_seen": self._n_seen}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Puts it back.

        Raises:
            InvalidValueError: More than fits in here.
        """
        self._stored, self._size, self._n_seen = None, 0, 0
        if state["stored"] is None:
            return
        stored = TransitionBatch.of(state["stored"])
        n_seen = int(state["n_seen"])
        if len(stored) != min(n_seen, self.capacity):
            raise InvalidValueError(f"{len(stored)} generator samples, not {self.capacity}")
        self.store(stored)
        self._n_seen = n_seen


class NoDemonstrations:
    """Stands for demonstrations that are still to be given."""

    def sample(self, n: int) -> TransitionBatch:
        """Refused.

        Raises:
            InvalidValueError: Names `set_demonstrations`.
        """
        raise InvalidValueError(
            "there are no demonstrations yet.", "Call set_demonstrations(...) before training."
        )

    def ends(self) -> Ends:
        """As for `sample`."""
        self.sample(0)
        return Ends(0, 0)


def first_item(items: Iterable[Any]) -> tuple[Any, Iterable[Any]]:
    """The first item, and an iterable that still has it, though `items` can be read only once.

    Raises:
        InvalidValueError: There is none.
    """
    iterator = iter(items)
    try:
        first = next(iterator)
    except StopIteration:
        raise InvalidValueError(
            "there are no demonstrations.", "Give at least one trajectory."
        ) from None
    return first, chain([first], iterator) if iterator is items else items


def demonstration_sampler(
    demonstrations: Demonstrations | None,
    at_least: int,
    rng: np.random.Generator,
    device: th.device,
) -> Sampler:
    """A sampler for any of the accepted kinds of demonstrations.

    Args:
        demonstrations: `Transitions`; an iterable of `Trajectory`; an iterable of mappings; a
            `RowReader`; or None, for none yet.
        at_least: As many must there be, as far as that is known before they are read.
        rng: Source of the draws.
        device: Where transitions that are all there are kept.

    Raises:
        InvalidValueError: Fewer transitions than `at_least`, or missing fields.
        InvalidTypeError: Something else.
    """
    sampler: ArraySampler | RowSampler
    if demonstrations is None:
        return NoDemonstrations()
    if isinstance(demonstrations, RowReader):
        sampler = RowSampler(demonstrations, rng)
    else:
        demonstrations = _flattened(demonstrations)
        columns = _all_there(demonstrations)
        if columns is None:
            return StreamSampler(demonstrations)  # type: ignore[arg-type]
        sampler = ArraySampler(TransitionBatch.of(columns, device), rng)
    if len(sampler) < at_least:
        raise InvalidValueError(
            f"demo_batch_size={at_least} is more than the {len(sampler)} demonstrated transitions.",
            f"Set demo_batch_size to at most {len(sampler)} or None, or give more demonstrations.",
        )
    return sampler


def lack_actions(sampler: Sampler) -> bool:
    """Whether demonstrations are known to hold no actions, without drawing any."""
    if isinstance(sampler, ArraySampler):
        return not has_actions(sampler.transitions.acts)
    return isinstance(sampler, RowSampler) and isinstance(sampler.reader, RowsWithoutActions)


def _flattened(demonstrations: Any) -> Any:
    """Trajectories as transitions; everything else as it is."""
    # A DataLoader has no trajectories, and looking at its first batch would move random streams.
    if isinstance(demonstrations, DataLoader | Mapping | str | bytes):
        return demonstrations
    if not isinstance(demonstrations, Iterable) or hasattr(demonstrations, "obs"):
        return demonstrations
    first, demonstrations = first_item(demonstrations)
    return flatten_trajectories(demonstrations) if isinstance(first, Trajectory) else demonstrations


def _spaced(size: int, n: int) -> th.Tensor:
    return th.linspace(0, size - 1, min(size, n)).long()


def _draw(size: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Numbers (n,) of rows out of `size`, each once if there are as many."""
    return rng.choice(size, n, replace=n > size, shuffle=False)


def _all_there(demonstrations: Any) -> TransitionMapping | None:
    """The columns of demonstrations that are held whole; None for a stream of batches."""
    if isinstance(demonstrations, Mapping):
        return demonstrations
    if hasattr(demonstrations, "obs") and hasattr(demonstrations, "acts"):
        if not hasattr(demonstrations, "next_obs") or not hasattr(demonstrations, "dones"):
            raise InvalidTypeError(
                "demonstrations without next_obs and dones cannot train AIRL.",
                "Give Transitions, or trajectories.",
            )
        return {name: getattr(demonstrations, name) for name in TransitionBatch._fields}
    if not isinstance(demonstrations, Iterable) or isinstance(demonstrations, str | bytes):
        raise InvalidTypeError(
            f"demonstrations of type {type(demonstrations).__name__} cannot be read.",
            "Give Transitions, a sequence of Trajectory, or an iterable of mappings with "
            f"{', '.join(TransitionBatch._fields)}.",
        )
    return None
