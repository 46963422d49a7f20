"""Demonstrations in a Minari dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airl_cli.data.formats import Recording, minari
from airl_cli.experts.base import Demonstrations
from airl_cli.experts.recorded import Selection, recorded_demonstrations

if TYPE_CHECKING:
    from airl_cli.envs import EnvSpec


@dataclass
class MinariExpert:
    """A Minari dataset, on this machine or downloaded by Minari.

    Args:
        dataset: Its id, such as `D4RL/door/human-v2`.
        download: Let Minari download it where it is missing.
        n_episodes: How many, drawn by the run's seed; None: all.
        subsample: Train on every k-th transition only.
        clip_actions: Move actions outside a Box to its nearest bound instead of refusing them.
        sha256: What the dataset's must be; None: anything.

    Raises:
        InvalidValueError: If a number is out of range.
    """

    dataset: str
    download: bool = False
    n_episodes: int | None = None
    subsample: int = 1
    clip_actions: bool = False
    sha256: str | None = None

    def __post_init__(self) -> None:
        self._selection = Selection(self.n_episodes, self.subsample, self.clip_actions, self.sha256)

    def demonstrations(self, env: EnvSpec, *, seed: int) -> Demonstrations:
        """The episodes of the dataset.

        Raises:
            NotFoundError: If Minari or the dataset is missing.
            InvalidTypeError: If it has Dict or Tuple spaces.
            InvalidValueError: If it is damaged, or does not fit `env`.
        """
        return recorded_demonstrations(
            self._read, env, self._selection, seed=seed, dataset=self.dataset
        )

    def _read(self) -> Recording:
        if self.download:
            minari.download(self.dataset)
        return minari.read(minari.PREFIX + self.dataset)
