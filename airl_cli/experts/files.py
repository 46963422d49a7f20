"""Demonstrations in a file or folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from airl_cli.data import formats
from airl_cli.experts.base import Demonstrations
from airl_cli.experts.recorded import Selection, recorded_demonstrations

if TYPE_CHECKING:
    from airl_cli.envs import EnvSpec


@dataclass
class TrajectoriesExpert:
    """Trajectories in any of the formats of `airl_cli.data.formats`, recognised by their content.

    Args:
        path: File, folder, or `minari:<id>`.
        n_episodes: How many, drawn by the run's seed; None: all.
        subsample: Train on every k-th transition only.
        clip_actions: Move actions outside a Box to its nearest bound instead of refusing them.
        sha256: What the file's must be; None: anything.
        memory_limit: Mebibytes; a larger file stays on the disk while it is trained on.

    Raises:
        InvalidValueError: If a number is out of range.
    """

    path: str
    n_episodes: int | None = None
    subsample: int = 1
    clip_actions: bool = False
    sha256: str | None = None
    memory_limit: float = 256

    def __post_init__(self) -> None:
        self._selection = Selection(
            self.n_episodes, self.subsample, self.clip_actions, self.sha256, self.memory_limit
        )

    def demonstrations(self, env: EnvSpec, *, seed: int) -> Demonstrations:
        """The episodes of the file.

        Raises:
            NotFoundError: If there is no such file.
            InvalidValueError: If it is damaged, or does not fit `env`: file, episode and field
                are named.
        """
        return recorded_demonstrations(
            partial(formats.read, self.path), env, self._selection, seed=seed
        )
