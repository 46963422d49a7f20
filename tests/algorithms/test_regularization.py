import numpy as np
import pytest
import torch as th

from airl_cli.algorithms.batch import TransitionBatch, concatenate
from airl_cli.algorithms.regularization import (
    GradientPenalties,
    box_penalty,
    gradient_penalty,
    interpolated_penalty,
    r1_penalty,
)
from airl_cli.rewards import BasicRewardNet
from support.discriminators import line_net, linear_net, random_batch


def test_penalty_of_a_linear_reward_is_its_squared_slope() -> None:
    net = line_net(BasicRewardNet, hid_sizes=())
    with th.no_grad():
        net.mlp[0].weight.copy_(th.tensor([[1.0, 2.0, 3.0]]))
    assert gradient_penalty(net, random_batch()).item() == pytest.approx(14.0)


class Square(BasicRewardNet):
    """The reward 0.5 x^2, whose slope is x."""

    def forward(self, state, action, next_state, done):  # noqa: ANN001, ANN202
        return 0.5 * state[:, 0].square() + 0.0 * action.sum()


def at(x: float, n: int = 4) -> TransitionBatch:
    """`n` samples in one place."""
    obs = np.tile([x, 0.0], (n, 1))
    zeros = np.zeros((n, 1))
    return TransitionBatch.of({"obs": obs, "acts": zeros, "next_obs": obs, "dones": zeros[:, 0]})


def test_the_box_penalty_is_measured_between_the_samples_too() -> None:
    net, samples = line_net(Square), concatenate(at(0.0, 3000), at(6.0, 3000))
    assert gradient_penalty(net, samples).item() == pytest.approx(18.0)
    penalty = box_penalty(net, samples, np.random.default_rng(0))
    assert penalty.item() == pytest.approx(12.0, rel=0.05)  # the mean of x^2 over [0, 6]


def test_the_box_of_a_minibatch_is_that_of_its_batch() -> None:
    penalties = GradientPenalties(rng=np.random.default_rng(0), box=1.0)
    penalty = penalties.over(line_net(Square), at(0.0, 3000), at(6.0, 3000))
    assert penalty is not None
    assert penalty(at(6.0, 6000)).item() == pytest.approx(12.0, rel=0.05)  # as above, not 36


def test_r1_of_a_linear_reward_is_half_its_squared_slope() -> None:
    assert r1_penalty(linear_net(), random_batch()).item() == pytest.approx(4.5)


def test_interpolated_penalty_of_a_linear_reward_is_the_distance_of_its_slope_from_one() -> None:
    penalty = interpolated_penalty(linear_net(), random_batch(), random_batch(), th.rand(20))
    assert penalty.item() == pytest.approx((3.0 - 1.0) ** 2)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_slope_is_measured_between_expert_and_generator(share: float) -> None:
    penalty = interpolated_penalty(line_net(Square), at(2.0), at(6.0), th.full((4,), share))
    assert penalty.item() == pytest.approx((6.0 - 4.0 * share - 1.0) ** 2, rel=1e-4)
    assert r1_penalty(line_net(Square), at(2.0)).item() == pytest.approx(2.0)


def test_pairs_to_interpolate_between_are_drawn_anew(make_trainer, monkeypatch) -> None:
    """Draws follow the order of what is stored, and of all there is they are always the same."""
    pairs = []

    def penalty(net, expert, generated, mix):
        pairs.append((expert.obs.clone(), generated.obs.clone()))
        return interpolated_penalty(net, expert, generated, mix)

    monkeypatch.setattr("airl_cli.algorithms.regularization.interpolated_penalty", penalty)
    game = make_trainer(demo_batch_size=80, gradient_penalty=1.0)
    game.train(240)
    (first, partners), (again, others) = pairs[-2:]
    assert th.equal(first, again)  # all 80 demonstrated transitions
    assert th.equal(partners.sort(0).values, others.sort(0).values)  # all of the newest rollout
    assert not th.equal(partners, others)


def test_discrete_actions_are_interpolated_as_vectors(make_trainer) -> None:
    game = make_trainer(env={"discrete": True}, gradient_penalty=1.0, r1_penalty=1.0)
    game.train(80)
    assert np.isfinite(game.stats["disc_loss"])


def slopes(net, where: TransitionBatch) -> float:
    return r1_penalty(net, where).mul(2).sqrt().item()


def test_penalties_hold_the_slope_down_or_at_one(make_trainer) -> None:
    reached = {}
    for name in ("", "r1_penalty", "gradient_penalty"):
        weight = {name: 20.0} if name else {}
        game = make_trainer(
            n_disc_updates_per_round=60, disc_opt_kwargs={"lr": 1e-2}, gen={"n_epochs": 1}, **weight
        )
        game.train(80)
        reached[name] = slopes(game.reward_net, game._demonstrations.sample(80))
    assert reached["r1_penalty"] < 0.5 < 1.5 < reached[""]
    assert reached["gradient_penalty"] == pytest.approx(1.0, abs=0.4)


def test_gradient_penalty_flattens_the_base(make_trainer) -> None:
    slopes = []
    for weight in (0.0, 10.0):
        game = make_trainer(
            base_gradient_penalty=weight,
            n_disc_updates_per_round=40,
            disc_opt_kwargs={"lr": 1e-2},
            demo_minibatch_size=16,
        )
        game.train(160)
        slopes.append(gradient_penalty(game.reward_net, random_batch()).item())
    assert slopes[1] < 0.5 * slopes[0]
