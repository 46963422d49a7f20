"""Base classes of algorithms that learn from demonstrations, and batches of demonstrations."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.policies import BasePolicy
from torch.utils.data import DataLoader

from airl_cli.algorithms.adversarial import AdversarialTrainer
from airl_cli.algorithms.samples import first_item
from airl_cli.data.transitions import flatten_trajectories
from airl_cli.data.types import Trajectory, TransitionsMinimal, transitions_collate_fn
from airl_cli.errors import InvalidTypeError, InvalidValueError
from airl_cli.util import configure

AnyTransitions = Iterable[Trajectory] | Iterable[Mapping[str, Any]] | TransitionsMinimal


class BaseImitationAlgorithm(abc.ABC):  # noqa: B024 - users derive from it
    """What has a logger and minds the horizon; `AdversarialTrainer` is one.

    Args:
        custom_logger: Where it logs; None: a new one, see `airl_cli.util.configure`.
        allow_variable_horizon: Accept episodes of different length, see
            `airl_cli.envs.check_fixed_horizon`.
    """

    def __init__(
        self, *, custom_logger: Logger | None = None, allow_variable_horizon: bool = False
    ) -> None:
        self._logger: Logger = custom_logger or configure()
        self.allow_variable_horizon = allow_variable_horizon
        self._horizon: int | None = None

    @property
    def logger(self) -> Logger:
        """Where it logs."""
        return self._logger

    @logger.setter
    def logger(self, logger: Logger) -> None:
        self._logger = logger

    def _check_fixed_horizon(self, horizons: Iterable[int]) -> None:
        """Compares the lengths of episodes with each other and with those seen before.

        Raises:
            InvalidValueError: They differ, and `allow_variable_horizon` is False.
        """
        if self.allow_variable_horizon:
            return
        seen = {*horizons} | ({self._horizon} if self._horizon is not None else set())
        if len(seen) > 1:
            raise InvalidValueError(
                f"Episodes of different length: {sorted(seen)}. Their ends tell about the reward.",
                "Use an environment with a fixed horizon, or allow_variable_horizon=True.",
            )
        self._horizon = next(iter(seen), None)


class DemonstrationAlgorithm(BaseImitationAlgorithm):
    """An algorithm that takes demonstrations and has a policy; `AdversarialTrainer` is one.

    Args:
        demonstrations: What `set_demonstrations` takes; None: given later.
        custom_logger: As in the base class.
        allow_variable_horizon: As in the base class.
    """

    def __init__(
        self,
        *,
        demonstrations: AnyTransitions | None,
        custom_logger: Logger | None = None,
        allow_variable_horizon: bool = False,
    ) -> None:
        super().__init__(custom_logger=custom_logger, allow_variable_horizon=allow_variable_horizon)
        if demonstrations is not None:
            self.set_demonstrations(demonstrations)

    @abc.abstractmethod
    def set_demonstrations(self, demonstrations: AnyTransitions) -> None:
        """Replaces the demonstrations: `Transitions`, trajectories, or batches of transitions."""

    @property
    @abc.abstractmethod
    def policy(self) -> BasePolicy:
        """The policy that imitates them."""


DemonstrationAlgorithm.register(AdversarialTrainer)  # type: ignore[type-abstract]


def make_data_loader(
    transitions: AnyTransitions,
    batch_size: int,
    data_loader_kwargs: Mapping[str, Any] | None = None,
) -> Iterable[Mapping[str, Any]]:
    """Demonstrations of any accepted kind as batches of one size.

    Args:
        transitions: `Transitions`; trajectories; or an iterable of mappings from field names to
            arrays or tensors with one row per transition, whose batches are cut anew.
        batch_size: Transitions of a batch; what does not fill one at the end is left out.
        data_loader_kwargs: For the torch `DataLoader` of the first two kinds, which shuffles
            unless told otherwise.

    Returns:
        An iterable of mappings with `obs`, `acts` and whatever other fields are known.

    Raises:
        InvalidValueError: `batch_size` is below 1 or more than there is, or `obs` and `acts` of a
            batch differ in length.
        InvalidTypeError: Another kind.
    """
    if batch_size < 1:
        raise InvalidValueError(f"batch_size={batch_size} must be positive.")
    if not isinstance(transitions, TransitionsMinimal | Iterable):
        raise InvalidTypeError(
            f"demonstrations of type {type(transitions).__name__} cannot be read.",
            "Give Transitions, trajectories, or an iterable of mappings.",
        )
    if not isinstance(transitions, TransitionsMinimal):
        first, transitions = first_item(transitions)
        if isinstance(first, Trajectory):
            transitions = flatten_trajectories(transitions)  # type: ignore[arg-type]
    if not isinstance(transitions, TransitionsMinimal):
        return _Rebatched(transitions, batch_size)  # type: ignore[arg-type]
    if len(transitions) < batch_size:
        raise InvalidValueError(
            f"the number of demonstrated transitions, {len(transitions)}, is smaller than batch "
            f"size {batch_size}.",
            "Give more demonstrations, or a smaller batch_size.",
        )
    settings = {"shuffle": True, "drop_last": True, **(data_loader_kwargs or {})}
    return DataLoader(
        transitions, batch_size=batch_size, collate_fn=transitions_collate_fn, **settings
    )


class _Rebatched:
    """An iterable of batches with another size."""

    def __init__(self, batches: Iterable[Mapping[str, Any]], batch_size: int) -> None:
        self._batches = batches
        self._size = batch_size

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        held: dict[str, Any] | None = None
        for batch in self._batches:
            if len(batch["obs"]) != len(batch["acts"]):
                raise InvalidValueError(
                    f"the fields of a batch differ in length: {len(batch['obs'])} obs, "
                    f"{len(batch['acts'])} acts."
                )
            if not held and len(batch["obs"]) == self._size:  # as it is
                yield batch
                continue
            held = dict(batch) if held is None else _joined(held, batch)
            while held is not None and len(held["obs"]) >= self._size:
                yield {name: column[: self._size] for name, column in held.items()}
                held = {name: column[self._size :] for name, column in held.items()}
                held = held if len(held["obs"]) else None


def _joined(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _concatenated([first[name], second[name]]) for name in first}


def _concatenated(columns: Sequence[Any]) -> Any:
    if isinstance(columns[0], th.Tensor):
        return th.cat([*columns])
    if isinstance(columns[0], np.ndarray):
        return np.concatenate(columns)
    return [item for column in columns for item in column]
