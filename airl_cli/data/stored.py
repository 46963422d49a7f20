"""Parts of a trajectory file larger than memory, in the form that training wants."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from airl_cli.data.storage import Columns, TrajectoryFile
from airl_cli.data.types import EpisodeSequence, Trajectory


class StoredEpisodes(EpisodeSequence):
    """Some episodes of a file, each read when it is asked for.

    Args:
        file: The file.
        numbers: Of the episodes (n,), in the order wanted.
        convert: Applied to each episode as it is read: (its number, the episode).

    Attributes:
        lengths: Transitions of each episode (n,).
        returns: True returns (n,); empty where rewards are unknown.
    """

    def __init__(
        self,
        file: TrajectoryFile,
        numbers: np.ndarray,
        convert: Callable[[int, Trajectory], Trajectory],
    ) -> None:
        self._file, self._numbers, self._convert = file, numbers, convert
        self.lengths = file.lengths[numbers]
        returns = file.returns
        self.returns = returns[numbers] if len(returns) else returns

    def __len__(self) -> int:
        return len(self._numbers)

    def _episode(self, place: int) -> Trajectory:
        number = int(self._numbers[place])
        return self._convert(number, self._file[number])


class StoredTransitions:
    """Transitions of a file, of which only those drawn are read.

    Args:
        file: The file.
        numbers: Of the transitions (n,), counted through the file; None: all of them.
        convert: Applied to what is read.
    """

    def __init__(
        self,
        file: TrajectoryFile,
        numbers: np.ndarray | None = None,
        convert: Callable[[Columns], Columns] = lambda columns: columns,
    ) -> None:
        self._file, self._numbers, self._convert = file, numbers, convert

    def __len__(self) -> int:
        return self._file.n_transitions if self._numbers is None else len(self._numbers)

    def rows(self, index: np.ndarray) -> Columns:
        """`obs`, `acts`, `next_obs` and `dones` of the transitions at these places (n,)."""
        chosen = index if self._numbers is None else self._numbers[index]
        return self._convert(self._file.read_transitions(chosen))
