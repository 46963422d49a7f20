"""Episodes by number, each read when it is asked for."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import overload

from airl_cli.data.types import Trajectory


class EpisodeSequence(Sequence[Trajectory], abc.ABC):
    """A sequence of episodes whose items are made one by one."""

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
