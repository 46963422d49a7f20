import functools
import math

import numpy as np
import pytest
import torch as th
from torch import nn

from airl_cli.algorithms.batch import TransitionBatch
from airl_cli.algorithms.discriminator import accumulate_gradients
from airl_cli.algorithms.regularization import (
    box_penalty,
    gradient_penalty,
    interpolated_penalty,
    make_optimizer,
    parameter_groups,
    r1_penalty,
)
from airl_cli.errors import InvalidValueError
from airl_cli.rewards import BasicRewardNet, BasicShapedRewardNet, RunningNorm
from support.line import Line


def line_net(cls: type = BasicShapedRewardNet, **kwargs):
    env = Line()
    return cls(env.observation_space, env.action_space, **kwargs)


def batch(n: int = 20) -> TransitionBatch:
    rng = np.random.default_rng(0)
    columns = {"obs": rng.normal(size=(n, 2)), "acts": rng.normal(size=(n, 1))}
    return TransitionBatch.of(
        {**columns, "next_obs": rng.normal(size=(n, 2)), "dones": np.zeros(n)}
    )


def test_base_settings_reach_the_base_alone() -> None:
    net = line_net()
    base, rest = parameter_groups(net, {"weight_decay": 0.1})
    assert base["weight_decay"] == 0.1 and "weight_decay" not in rest
    assert {id(p) for p in base["params"]} == {id(p) for p in net.base.parameters()}
    assert len(base["params"]) + len(rest["params"]) == len(list(net.parameters()))


def test_an_unshaped_net_is_all_base() -> None:
    assert len(parameter_groups(line_net(BasicRewardNet), None)) == 1


def test_adam_is_fused_unless_the_user_says_otherwise() -> None:
    def made(cls, **kwargs) -> th.optim.Optimizer:
        return make_optimizer(cls, parameter_groups(line_net(), None), kwargs)

    adam = th.optim.Adam
    for cls in (adam, th.optim.AdamW, functools.partial(adam, lr=0.1)):
        assert made(cls).defaults["fused"] is True
    assert made(adam, foreach=True).defaults["fused"] is None
    assert made(functools.partial(adam, fused=False)).defaults["fused"] is False
    assert isinstance(made(th.optim.SGD, lr=0.1), th.optim.SGD)


def test_penalty_of_a_linear_reward_is_its_squared_slope() -> None:
    net = line_net(BasicRewardNet, hid_sizes=())
    with th.no_grad():
        net.mlp[0].weight.copy_(th.tensor([[1.0, 2.0, 3.0]]))
    assert gradient_penalty(net, batch()).item() == pytest.approx(14.0)


def linear_net() -> BasicRewardNet:
    net = line_net(BasicRewardNet, hid_sizes=())
    with th.no_grad():
        net.mlp[0].weight.copy_(th.tensor([[1.0, 2.0, 2.0]]))
    return net


def test_the_box_penalty_is_measured_between_the_samples_too() -> None:
    """Of 0.5 x^2 the slope is x; the samples lie at 0 and 6 only."""

    class Square(BasicRewardNet):
        def forward(self, state, action, next_state, done):  # noqa: ANN001, ANN202
            return 0.5 * state[:, 0].square() + 0.0 * action.sum()

    obs = np.repeat([[0.0, 0.0], [6.0, 0.0]], 3000, axis=0)
    zeros = np.zeros((6000, 1))
    samples = TransitionBatch.of({"obs": obs, "acts": zeros, "next_obs": obs, "dones": zeros[:, 0]})
    net = line_net(Square)
    assert gradient_penalty(net, samples).item() == pytest.approx(18.0)
    penalty = box_penalty(net, samples, np.random.default_rng(0))
    assert penalty.item() == pytest.approx(12.0, rel=0.05)  # the mean of x^2 over [0, 6]


def test_r1_of_a_linear_reward_is_half_its_squared_slope() -> None:
    assert r1_penalty(linear_net(), batch()).item() == pytest.approx(4.5)


def test_interpolated_penalty_of_a_linear_reward_is_the_distance_of_its_slope_from_one() -> None:
    penalty = interpolated_penalty(linear_net(), batch(), batch(), th.rand(20))
    assert penalty.item() == pytest.approx((3.0 - 1.0) ** 2)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_slope_is_measured_between_expert_and_generator(share: float) -> None:
    """Of 0.5 x^2 the slope is x: the expert's samples lie at 2, the generator's at 6."""

    class Square(BasicRewardNet):
        def forward(self, state, action, next_state, done):  # noqa: ANN001, ANN202
            return 0.5 * state[:, 0].square() + 0.0 * action.sum()

    def at(x: float) -> TransitionBatch:
        obs = np.tile([x, 0.0], (4, 1))
        zeros = np.zeros((4, 1))
        return TransitionBatch.of(
            {"obs": obs, "acts": zeros, "next_obs": obs, "dones": zeros[:, 0]}
        )

    penalty = interpolated_penalty(line_net(Square), at(2.0), at(6.0), th.full((4,), share))
    assert penalty.item() == pytest.approx((6.0 - 4.0 * share - 1.0) ** 2, rel=1e-4)
    assert r1_penalty(line_net(Square), at(2.0)).item() == pytest.approx(2.0)


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
        accumulate_gradients(net, logits_of, batch(), batch(), 20, label_smoothing=smoothing)
        logits.append(net.mlp[0].bias.grad.item())
    if smoothing:
        assert logits[0] < 0 < logits[2] and logits[1] == pytest.approx(0.0, abs=1e-6)
    else:
        assert max(logits) < 0


@pytest.mark.parametrize("smoothing", [-0.1, 0.5])
def test_labels_that_say_nothing_are_refused(make_trainer, smoothing: float) -> None:
    with pytest.raises(InvalidValueError, match="label_smoothing"):
        make_trainer(label_smoothing=smoothing)


@pytest.mark.parametrize(
    "settings",
    [
        {"gradient_penalty": 1.0, "r1_penalty": 0.5, "base_gradient_penalty": 0.1},
        {
            "net": {"spectral_norm": True, "normalize_input_layer": RunningNorm},
            "label_smoothing": 0.2,
        },
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


def test_weight_decay_shrinks_the_base_and_not_the_potential(make_trainer) -> None:
    norms = {}
    for decay in (0.0, 0.5):
        game = make_trainer(base_opt_kwargs={"weight_decay": decay}, n_disc_updates_per_round=40)
        game.train(160)
        net = game.reward_net
        norms[decay] = [
            sum(p.square().sum().item() for p in part.parameters())
            for part in (net.base, net.potential)
        ]
    assert norms[0.5][0] < 0.9 * norms[0.0][0]
    assert norms[0.5][1] > 0.9 * norms[0.0][1]


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
        slopes.append(gradient_penalty(game.reward_net, batch()).item())
    assert slopes[1] < 0.5 * slopes[0]
