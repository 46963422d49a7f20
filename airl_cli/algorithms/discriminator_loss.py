"""The discriminator's loss, its gradient over minibatches, and the figures of an update."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext

import torch as th
import torch.nn.functional as F

from airl_cli.algorithms.batch import TransitionBatch, concatenate
from airl_cli.rewards.base import RewardNet
from airl_cli.rewards.layers import (
    frozen_spectral_norms,
    frozen_statistics,
    iterate_spectral_norms,
    norm_layers,
)

Logits = Callable[[TransitionBatch], th.Tensor]


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
        The mean cross-entropy, and the logits without gradients (2n,), the expert's in front.
    """
    if not net.training:
        net.train()
    iterate_spectral_norms(net)
    in_parts = minibatch_size < len(expert)
    if in_parts:
        _take_in(net, expert, generated)
    n, loss, halves = 2 * len(expert), 0.0, []
    with frozen_spectral_norms(net):
        for batch in _minibatches(expert, generated, minibatch_size):
            # A batch that is whole is taken in on the way: a pass less.
            with frozen_statistics(net) if in_parts else nullcontext():
                logits = logits_of(batch)
            part = _cross_entropy(logits, label_smoothing) / n
            loss += part.item()
            if penalty is not None:
                with frozen_statistics(net):
                    part = part + penalty(batch) * (len(batch) / n)
            part.backward()
            halves.append(logits.detach().chunk(2))
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


def discriminator_stats(loss: float, logits: th.Tensor) -> dict[str, float]:
    """What a discriminator update says about itself.

    Args:
        loss: Mean binary cross-entropy; ln 2 = 0.69 is guessing.
        logits: That it is the expert's (2n,), the n true expert samples in front.

    Returns:
        Accuracies (over all, expert and generator samples), the mean entropy of the verdicts in
        nats, the shares of expert samples (true, and by verdict), and the numbers of samples.
    """
    logits = logits.cpu()
    n = len(logits) // 2
    says_expert = (logits > 0).float()
    on_expert, on_generated = says_expert[:n].mean().item(), says_expert[n:].mean().item()
    p = th.sigmoid(logits)
    entropy = p * F.softplus(-logits) + (1 - p) * F.softplus(logits)
    return {
        "disc_loss": loss,
        "disc_acc": (on_expert + 1 - on_generated) / 2,
        "disc_acc_expert": on_expert,
        "disc_acc_gen": 1 - on_generated,
        "disc_entropy": entropy.mean().item(),
        "disc_proportion_expert_true": 0.5,
        "disc_proportion_expert_pred": says_expert.mean().item(),
        "n_expert": float(n),
        "n_generated": float(n),
    }
