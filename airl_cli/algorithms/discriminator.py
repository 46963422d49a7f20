"""The discriminator in training: a reward net, its optimiser, and what holds it back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch as th

from airl_cli.algorithms.batch import TransitionBatch
from airl_cli.algorithms.checks import check_label_smoothing
from airl_cli.algorithms.discriminator_loss import (
    Logits,
    accumulate_gradients,
    discriminator_stats,
)
from airl_cli.algorithms.health import require_finite
from airl_cli.algorithms.optimizer import make_optimizer, parameter_groups
from airl_cli.algorithms.regularization import GradientPenalties
from airl_cli.algorithms.schedule import Schedule
from airl_cli.rewards.base import RewardNet


class Discriminator:
    """Trains a reward net to tell the expert's transitions from the generator's.

    Args:
        net: What is trained.
        logits_of: From a batch (n) to the logits (n,) that it is the expert's, by way of `net`.
        minibatch_size: Samples of each side in memory at a time; divides the batches.
        opt_cls: Class of the optimiser.
        opt_kwargs: For the optimiser.
        base_opt_kwargs: Settings of the base reward alone, see `parameter_groups`.
        lr_schedule: Factor of the learning rates, of the share of the training that remains.
        penalties: Further terms of the loss.
        label_smoothing: The expert's label is 1 minus this.

    Attributes:
        optimizer: Of the net's parameters, the base reward's in the first group.

    Raises:
        InvalidValueError: `label_smoothing` outside of [0, 0.5).
    """

    def __init__(
        self,
        net: RewardNet,
        logits_of: Logits,
        *,
        minibatch_size: int,
        penalties: GradientPenalties,
        opt_cls: type[th.optim.Optimizer] = th.optim.Adam,
        opt_kwargs: Mapping[str, Any] | None = None,
        base_opt_kwargs: Mapping[str, Any] | None = None,
        lr_schedule: Schedule | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        self.net = net
        self.minibatch_size = minibatch_size
        self.penalties = penalties
        self.label_smoothing = check_label_smoothing(label_smoothing)
        groups = parameter_groups(net, base_opt_kwargs)
        self.optimizer = make_optimizer(opt_cls, groups, opt_kwargs or {})
        self._logits_of = logits_of
        self._lr_schedule = lr_schedule
        self._rates = [group["lr"] for group in self.optimizer.param_groups]

    def update(
        self, expert: TransitionBatch, generated: TransitionBatch, remaining: float
    ) -> dict[str, float]:
        """One step of the optimiser.

        Args:
            expert: Demonstrated transitions (n).
            generated: As many of the generator's.
            remaining: Share of the training that remains, 1 to 0.

        Returns:
            See `discriminator_stats`.

        Raises:
            NonFiniteError: The loss is NaN or infinite; no step was taken.
        """
        self._set_rates(remaining)
        self.optimizer.zero_grad()
        loss, logits = accumulate_gradients(
            self.net,
            self._logits_of,
            expert,
            generated,
            self.minibatch_size,
            self.penalties.over(self.net, expert, generated),
            label_smoothing=self.label_smoothing,
        )
        require_finite("discriminator loss", loss)
        self.optimizer.step()
        return discriminator_stats(loss, logits)

    def _set_rates(self, remaining: float) -> None:
        if self._lr_schedule is None:
            return
        factor = self._lr_schedule(remaining)
        for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor
