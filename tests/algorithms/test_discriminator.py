import math
from typing import Any

import numpy as np
import pytest
import torch as th
import torch.nn.functional as F

from airl_cli.algorithms.batch import TransitionBatch
from airl_cli.algorithms.discriminator import Discriminator
from airl_cli.algorithms.regularization import GradientPenalties, r1_penalty
from airl_cli.errors import InvalidValueError, NonFiniteError
from airl_cli.rewards import RewardNet
from support.discriminators import line_net, random_batch, same, weights

EXPERT, GENERATED = random_batch(20, seed=1), random_batch(20, seed=2)


def penalties(**kwargs: float) -> GradientPenalties:
    return GradientPenalties(rng=np.random.default_rng(0), **kwargs)


def discriminator(net: RewardNet | None = None, **kwargs: Any) -> Discriminator:
    """Of a net whose output is the logit, as in GAIL."""
    net = net or line_net()

    def logits_of(batch: TransitionBatch) -> th.Tensor:
        return net(*net.preprocess(*batch))

    return Discriminator(
        net, logits_of, **{"minibatch_size": 20, "penalties": penalties(), **kwargs}
    )


def test_an_update_is_one_step_down_the_smoothed_and_penalised_loss() -> None:
    net = line_net()
    logits = [net(*net.preprocess(*batch)) for batch in (EXPERT, GENERATED)]
    labels = th.cat([th.full((20,), 0.9), th.zeros(20)])
    loss = F.binary_cross_entropy_with_logits(th.cat(logits), labels)
    total = loss + 0.5 * r1_penalty(net, EXPERT)
    slopes = th.autograd.grad(total, list(net.parameters()), allow_unused=True)
    expected = [
        parameter if slope is None else (parameter - 0.1 * slope).detach()
        for parameter, slope in zip(net.parameters(), slopes, strict=True)
    ]

    game = discriminator(
        net,
        opt_cls=th.optim.SGD,
        opt_kwargs={"lr": 0.1},
        penalties=penalties(r1=0.5),
        label_smoothing=0.1,
    )
    stats = game.update(EXPERT, GENERATED, remaining=1.0)
    assert stats["disc_loss"] == pytest.approx(loss.item(), rel=1e-5)  # without the penalty
    for parameter, value in zip(net.parameters(), expected, strict=True):
        th.testing.assert_close(parameter, value)


def test_rates_are_those_given_times_the_schedule_of_what_remains() -> None:
    game = discriminator(
        opt_kwargs={"lr": 1e-2}, base_opt_kwargs={"lr": 1e-3}, lr_schedule=lambda left: left**2
    )
    for remaining in (1.0, 0.5, 0.5, 0.1):  # a factor of what was given, not of the last one
        game.update(EXPERT, GENERATED, remaining)
        rates = [group["lr"] for group in game.optimizer.param_groups]
        assert rates == pytest.approx([1e-3 * remaining**2, 1e-2 * remaining**2])


def test_without_a_schedule_the_rates_stay() -> None:
    game = discriminator(opt_kwargs={"lr": 1e-2})
    game.update(EXPERT, GENERATED, remaining=0.0)
    assert [group["lr"] for group in game.optimizer.param_groups] == [1e-2, 1e-2]


def test_a_loss_that_is_no_number_takes_no_step() -> None:
    net = line_net()
    before = weights(net)
    game = Discriminator(
        net,
        lambda batch: net(*net.preprocess(*batch)) * math.nan,
        minibatch_size=20,
        penalties=penalties(),
    )
    with pytest.raises(NonFiniteError, match="discriminator loss"):
        game.update(EXPERT, GENERATED, remaining=1.0)
    assert same(before, weights(net))


@pytest.mark.parametrize("smoothing", [-0.1, 0.5])
def test_labels_that_say_nothing_are_refused(make_trainer, smoothing: float) -> None:
    with pytest.raises(InvalidValueError, match="label_smoothing"):
        make_trainer(label_smoothing=smoothing)
