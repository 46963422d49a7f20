import functools

import numpy as np
import pytest
import torch as th

from airl_cli.algorithms.batch import TransitionBatch
from airl_cli.algorithms.regularization import (
    gradient_penalty,
    make_optimizer,
    parameter_groups,
)
from airl_cli.rewards import BasicRewardNet, BasicShapedRewardNet
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
