"""Transitions as tensors: what the discriminator is trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch as th

from airl_cli.errors import InvalidValueError


class TransitionBatch(NamedTuple):
    """A batch of transitions.

    Attributes:
        obs: Observations (n, *observation shape).
        acts: Actions (n, *action shape), as the environment got them.
        next_obs: The observations after the actions, the true last ones at an episode's end.
        dones: Whether `next_obs` is a terminal state (n,) bool; a time limit is not one.
    """

    obs: th.Tensor
    acts: th.Tensor
    next_obs: th.Tensor
    dones: th.Tensor

    def __len__(self) -> int:  # of transitions, not of fields
        return int(self.dones.shape[0])

    @classmethod
    def of(
        cls, fields: Mapping[str, np.ndarray | th.Tensor], device: th.device | str = "cpu"
    ) -> TransitionBatch:
        """Takes the four fields from a mapping of arrays or tensors; other keys are ignored.

        Raises:
            InvalidValueError: A field is missing, or the lengths differ.
        """
        missing = [name for name in cls._fields if name not in fields]
        if missing:
            raise InvalidValueError(
                f"transitions lack the fields {', '.join(missing)}.",
                f"Give a mapping with {', '.join(cls._fields)}.",
            )
        batch = cls(*(as_column(fields[name], device) for name in cls._fields))
        if batch.dones.ndim == 2 and batch.dones.shape[1] == 1:  # as replay buffers give them
            batch = cls(batch.obs, batch.acts, batch.next_obs, batch.dones[:, 0])
        if batch.dones.ndim != 1:
            raise InvalidValueError(
                f"dones of shape {tuple(batch.dones.shape)} are not one flag per transition.",
                "Give dones of shape (n,).",
            )
        lengths = {len(column) for column in batch}
        if len(lengths) > 1:
            raise InvalidValueError(
                f"the fields of the transitions have different lengths: {sorted(lengths)}.",
                "Give one row per transition in every field.",
            )
        return batch

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The columns as arrays, which is what `RewardNet.predict` takes."""
        obs, acts, next_obs, dones = (column.cpu().numpy() for column in self)
        return obs, acts, next_obs, dones

    def rows(self, index: th.Tensor | slice) -> TransitionBatch:
        """The transitions with these numbers (m,), or of this slice."""
        return TransitionBatch(*(column[index] for column in self))

    def to(self, device: th.device) -> TransitionBatch:
        """The same on `device`."""
        return TransitionBatch(*(column.to(device) for column in self))


def as_column(values: np.ndarray | th.Tensor, device: th.device | str = "cpu") -> th.Tensor:
    """A tensor on `device`; float64 becomes float32, once, here."""
    tensor = values if isinstance(values, th.Tensor) else th.as_tensor(np.asarray(values))
    if tensor.dtype == th.float64:
        tensor = tensor.to(th.float32)
    return tensor.to(device)


def concatenate(first: TransitionBatch, second: TransitionBatch) -> TransitionBatch:
    """Both batches as one, `first` in front."""
    return TransitionBatch(*(th.cat(pair) for pair in zip(first, second, strict=True)))
