"""The discriminator in training: a reward net, its loss, its optimiser, and figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch as th
import torch.nn.functional as F
from torch.utils.tensorboard import SummaryWriter

from airl_cli.algorithms.batch import TransitionBatch, concatenate
from airl_cli.algorithms.health import require_finite
from airl_cli.algorithms.regularization import GradientPenalties
from airl_cli.algorithms.schedule import Schedule
from airl_cli.errors import InvalidValueError
from airl_cli.rewards.base import RewardNet, unwrapped
from airl_cli.rewards.ensemble import count_members, one_member
from airl_cli.rewards.layers import (
    frozen_spectral_norms,
    frozen_statistics,
    iterate_spectral_norms,
    norm_layers,
)

Logits = Callable[[TransitionBatch], th.Tensor]


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
        if not 0 <= label_smoothing < 0.5:  # from there on the expert counts as the generator
            raise InvalidValueError(
                f"label_smoothing={label_smoothing} is outside of [0, 0.5).",
                "Give 0 to less than 0.5, for example 0.1.",
            )
        self.label_smoothing = label_smoothing
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
            See `compute_train_stats`.

        Raises:
            NonFiniteError: The loss is NaN or infinite; no step was taken.
        """
        self._set_rates(remaining)
        self.optimizer.zero_grad()
        generated = self.penalties.shuffled(generated)
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
        labels = th.arange(len(logits)) < len(expert)
        return compute_train_stats(logits, labels, th.tensor(loss))

    def _set_rates(self, remaining: float) -> None:
        if self._lr_schedule is None:
            return
        factor = self._lr_schedule(remaining)
        for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor


# -- the loss -----------------------------------------------------------------------------------


def accumulate_gradients(
    net: RewardNet,
    logits_of: Logits,
    expert: TransitionBatch,
    generated: TransitionBatch,
    minibatch_size: int,
    penalty: Callable[[TransitionBatch], th.Tensor] | None = None,
    label_smoothing: float = 0.0,
) -> tuple[float, th.Tensor]:
    """Adds the gradient of the batch's mean loss to the net's parameters.

    The loss is the binary cross-entropy of telling expert (1) from generator (0): Fu, Luo &
    Levine 2018, section 4. Normalisation statistics take the whole batch in at once and without
    gradients, and then stand still; so do estimates of spectral norms after one iteration.
    Minibatches therefore sum to the gradient of the full batch, up to rounding and what is drawn
    at random (dropout), where a pass visits every normalisation layer once.

    The members of an ensemble are trained as members: the loss is the mean of their losses, not
    the loss of their mean, which would leave their disagreement undetermined.

    Args:
        net: Whose parameters are trained.
        logits_of: From a batch (n) to the logits (n,) that it is the expert's.
        expert: Demonstrated transitions.
        generated: As many of the generator's.
        minibatch_size: How many of each are in memory at a time.
        penalty: From a batch, the expert's half in front, to a scalar that is added to the loss, a
            mean over the batch.
        label_smoothing: The expert's label is 1 minus this.

    Returns:
        The mean cross-entropy, and the logits without gradients (2n,), the expert's in front; of
        an ensemble their means over the members.
    """
    if not net.training:
        net.train()
    iterate_spectral_norms(net)
    members = count_members(net)
    in_parts = minibatch_size < len(expert) or members > 1
    if in_parts:
        _take_in(net, expert, generated)
    n, loss, halves = 2 * len(expert), 0.0, []
    with frozen_spectral_norms(net):
        for batch in _minibatches(expert, generated, minibatch_size):
            passes = []
            for member in range(members):
                with one_member(net, member):
                    # A batch that is whole is taken in on the way: a pass less.
                    with frozen_statistics(net) if in_parts else nullcontext():
                        logits = logits_of(batch)
                    part = _cross_entropy(logits, label_smoothing) / n
                    loss += part.item() / members
                    if penalty is not None:
                        with frozen_statistics(net):
                            part = part + penalty(batch) * (len(batch) / n)
                    (part / members).backward()
                passes.append(logits.detach())
            halves.append(th.stack(passes).mean(0).chunk(2))
    return loss, th.cat([*(own for own, _ in halves), *(other for _, other in halves)])


def _take_in(net: RewardNet, expert: TransitionBatch, generated: TransitionBatch) -> None:
    """Lets the net's normalisation layers see a whole batch, once: an `EMANorm` counts calls."""
    if norm_layers(net):
        with th.no_grad(), frozen_spectral_norms(net):
            net(*net.preprocess(*concatenate(expert, generated)))


def _cross_entropy(logits: th.Tensor, label_smoothing: float) -> th.Tensor:
    """The sum (scalar) over logits (2m,) with the expert's in front."""
    labels = th.zeros_like(logits)
    labels[: len(logits) // 2] = 1.0 - label_smoothing
    return F.binary_cross_entropy_with_logits(logits, labels, reduction="sum")


def _minibatches(
    expert: TransitionBatch, generated: TransitionBatch, size: int
) -> Iterator[TransitionBatch]:
    """Expert and generator samples, half of each, the expert's in front."""
    for start in range(0, len(expert), size):
        rows = slice(start, start + size)
        yield concatenate(expert.rows(rows), generated.rows(rows))


def compute_train_stats(
    disc_logits_expert_is_high: th.Tensor, labels_expert_is_one: th.Tensor, disc_loss: th.Tensor
) -> dict[str, float]:
    """Figures of a discriminator update.

    Args:
        disc_logits_expert_is_high: Logits that samples are the expert's (n,).
        labels_expert_is_one: 1 for those of the expert, 0 for the generator's (n,).
        disc_loss: Binary cross-entropy, a scalar or (n,); ln 2 = 0.69 is guessing.

    Returns:
        Accuracies (over all, expert and generator samples), the mean entropy of the predictions
        in nats, the shares of expert samples (true, and predicted), and the numbers of samples.
        What there are no samples for is NaN.
    """
    logits = disc_logits_expert_is_high.detach().cpu()
    expert = labels_expert_is_one.cpu() != 0
    predicted = logits >= 0
    p = th.sigmoid(logits)
    entropy = p * F.softplus(-logits) + (1 - p) * F.softplus(logits)
    return {
        "disc_loss": disc_loss.float().mean().item(),
        "disc_acc": (predicted == expert).float().mean().item(),
        "disc_acc_expert": predicted[expert].float().mean().item(),
        "disc_acc_gen": (~predicted)[~expert].float().mean().item(),
        "disc_entropy": entropy.mean().item(),
        "disc_proportion_expert_true": expert.float().mean().item(),
        "disc_proportion_expert_pred": predicted.float().mean().item(),
        "n_expert": float(expert.sum()),
        "n_generated": float((~expert).sum()),
    }


# -- the optimiser ------------------------------------------------------------------------------


_ADAM_FORMS = frozenset(("fused", "foreach", "differentiable", "capturable"))


def parameter_groups(net: RewardNet, base_kwargs: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Parameters of the base net and of what is around it, for an optimiser.

    Args:
        net: Perhaps shaped.
        base_kwargs: Optimiser settings of the base net alone, such as `weight_decay` and `lr`.
    """
    base = list(unwrapped(net).parameters())
    of_base = {id(parameter) for parameter in base}
    rest = [parameter for parameter in net.parameters() if id(parameter) not in of_base]
    groups = [{"params": base, **(base_kwargs or {})}]
    return groups + ([{"params": rest}] if rest else [])


def make_optimizer(
    cls: type[th.optim.Optimizer], groups: list[dict[str, Any]], kwargs: Mapping[str, Any]
) -> th.optim.Optimizer:
    """The optimiser, Adam in its fused form unless another one is asked for.

    That is the same rule in one kernel: for nets of a few layers a third of the time.

    Args:
        cls: Its class, or what makes one.
        groups: Of `parameter_groups`.
        kwargs: Of the user; they win.
    """
    plain_adam = cls in (th.optim.Adam, th.optim.AdamW) or getattr(cls, "func", None) in (
        th.optim.Adam,
        th.optim.AdamW,
    )
    said = {*kwargs, *getattr(cls, "keywords", {}), *(key for group in groups for key in group)}
    if plain_adam and said.isdisjoint(_ADAM_FORMS):
        kwargs = {**kwargs, "fused": True}
    return cls(groups, **kwargs)


class DiscriminatorSummaries:
    """Writes one point per update, and the reward net's graph once.

    Args:
        log_dir: The events go to `summary` below it.
        graph: Whether to write the graph.
    """

    def __init__(self, log_dir: str | Path, graph: bool = False) -> None:
        self._writer = SummaryWriter(str(Path(log_dir) / "summary"))
        self._graph_pending = graph
        self.step = 0
        """The next update's number."""

    def write(
        self, stats: Mapping[str, float], reward_net: RewardNet, batch: TransitionBatch
    ) -> None:
        """Writes the figures of an update.

        Args:
            stats: Of the update.
            reward_net: For the graph.
            batch: Some transitions, to trace the graph with.
        """
        for name, value in stats.items():
            self._writer.add_scalar(f"disc/{name}", value, self.step)
        if self._graph_pending:
            self._writer.add_graph(reward_net, reward_net.preprocess(*batch))
            self._graph_pending = False
        self._writer.flush()
        self.step += 1
