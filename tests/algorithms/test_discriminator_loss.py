import math

import pytest
import torch as th
from torch import nn

from airl_cli.algorithms.batch import TransitionBatch
from airl_cli.algorithms.discriminator import accumulate_gradients, compute_train_stats
from airl_cli.rewards import (
    BasicRewardNet,
    EMANorm,
    RewardEnsemble,
    RunningNorm,
    ShapedRewardEnsemble,
    ShapedRewardNet,
)
from support.discriminators import FLOATS, line_net, random_batch, weights


def test_train_stats_count_what_they_name() -> None:
    logits = th.tensor([2.0, -1.0, 3.0, 4.0, -5.0, -6.0, 7.0, -8.0])
    stats = compute_train_stats(logits, th.arange(8) < 4, th.tensor([0.25, 0.75]))
    assert stats["disc_loss"] == 0.5
    assert stats["disc_acc_expert"] == 0.75 and stats["disc_acc_gen"] == 0.75
    assert stats["disc_acc"] == 0.75 and stats["disc_proportion_expert_pred"] == 0.5
    assert stats["n_expert"] == stats["n_generated"] == 4
    assert set(stats) == FLOATS and all(type(value) is float for value in stats.values())
    order = th.randperm(8)
    assert compute_train_stats(logits[order], order < 4, th.tensor(0.5)) == pytest.approx(stats)
    guessing = compute_train_stats(th.zeros(4), th.zeros(4), th.tensor(0.7))
    assert guessing["disc_entropy"] == pytest.approx(math.log(2))
    assert (guessing["n_expert"], guessing["disc_proportion_expert_true"]) == (0, 0)
    assert math.isnan(guessing["disc_acc_expert"])


@pytest.mark.parametrize("norm", [None, RunningNorm, EMANorm])
@pytest.mark.parametrize("size", [1, 8, 16])
def test_accumulated_minibatches_equal_the_full_batch(make_trainer, norm, size) -> None:
    results = []
    for minibatch in (None, size):
        game = make_trainer(demo_minibatch_size=minibatch, net={"normalize_input_layer": norm})
        game.train_gen()
        stats = game.train_disc()
        results.append((weights(game.reward_net), stats))
    (full, full_stats), (parts, parts_stats) = results
    for key in full:
        th.testing.assert_close(parts[key], full[key], atol=1e-5, rtol=1e-4)
    assert parts_stats == pytest.approx(full_stats, abs=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_expert_is_as_certain_as_its_label(smoothing: float) -> None:
    """Where only the expert is, the best logit is that of 1 - smoothing: finite above 0."""

    class OneNumber(BasicRewardNet):
        def forward(self, state, action, next_state, done):  # noqa: ANN001, ANN202
            return self.mlp[-2].bias.expand(len(state))

    net, logits = line_net(OneNumber, hid_sizes=()), []

    def logits_of(both: TransitionBatch) -> th.Tensor:
        # The generator's logits are far below and flat: only the expert pulls.
        n = len(both) // 2
        return th.cat([net(*net.preprocess(*both))[:n], th.full((n,), -99.0)])

    for logit in (1.0, math.log(9.0), 4.0):
        net.zero_grad()
        nn.init.constant_(net.mlp[0].bias, logit)
        accumulate_gradients(
            net, logits_of, random_batch(), random_batch(), 20, label_smoothing=smoothing
        )
        logits.append(net.mlp[0].bias.grad.item())
    if smoothing:
        assert logits[0] < 0 < logits[2] and logits[1] == pytest.approx(0.0, abs=1e-6)
    else:
        assert max(logits) < 0


@pytest.mark.parametrize(
    "settings",
    [
        {"gradient_penalty": 1.0, "r1_penalty": 0.5, "base_gradient_penalty": 0.1},
        {
            "net": {"spectral_norm": True, "normalize_input_layer": RunningNorm},
            "label_smoothing": 0.2,
        },
        {"net": {"normalize_input_layer": EMANorm}, "r1_penalty": 0.5},
    ],
)
def test_minibatches_of_a_held_back_discriminator_equal_the_full_batch(
    make_trainer, settings
) -> None:
    results = []
    for size in (None, 8):
        game = make_trainer(demo_minibatch_size=size, **settings)
        game.train_gen()
        game.train_disc()
        results.append({k: v.clone() for k, v in game.reward_net.state_dict().items()})
    for name, tensor in results[0].items():
        th.testing.assert_close(results[1][name], tensor, atol=1e-4, rtol=1e-4, msg=name)


@pytest.mark.parametrize("size", [5, 20])
def test_members_of_an_ensemble_are_trained_on_losses_of_their_own(size: int) -> None:
    expert, generated = random_batch(20, seed=1), random_batch(20, seed=2)
    members = [line_net(BasicRewardNet) for _ in range(3)]
    spaces = members[0].observation_space, members[0].action_space
    ensemble = RewardEnsemble(*spaces, members)

    def shaped(base: nn.Module) -> ShapedRewardNet:
        return ShapedRewardNet(base, lambda state: state.sum(1), 0.9)

    def accumulate(net: ShapedRewardNet, n: int) -> tuple[float, th.Tensor]:
        return accumulate_gradients(
            net, lambda batch: net(*net.preprocess(*batch)), expert, generated, n
        )

    alone = [accumulate(shaped(member), 20) for member in members]
    expected = [[p.grad / 3 for p in member.parameters()] for member in members]
    ensemble.zero_grad()
    loss, logits = accumulate(shaped(ensemble), size)
    assert loss == pytest.approx(sum(each for each, _ in alone) / 3, rel=1e-5)
    th.testing.assert_close(logits, sum(each for _, each in alone) / 3)
    for member, slopes in zip(members, expected, strict=True):
        for parameter, slope in zip(member.parameters(), slopes, strict=True):
            th.testing.assert_close(parameter.grad, slope, atol=1e-6, rtol=1e-4)


def test_an_ensembles_normalisation_takes_a_batch_in_once() -> None:
    net = line_net(ShapedRewardEnsemble, normalize_input_layer=EMANorm)
    expert, generated = random_batch(20, seed=1), random_batch(20, seed=2)
    accumulate_gradients(net, lambda batch: net(*net.preprocess(*batch)), expert, generated, 20)
    norms = [part for part in net.modules() if isinstance(part, EMANorm)]
    counts = [int(norm.num_batches) for norm in norms]
    assert len(counts) == 4 and counts[:3] == [1, 1, 1]
    assert counts[3] == 1  # of the shared potential
