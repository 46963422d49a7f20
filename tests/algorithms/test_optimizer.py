import functools

import torch as th

from airl_cli.algorithms.discriminator import make_optimizer, parameter_groups
from airl_cli.rewards import BasicRewardNet
from support.discriminators import line_net


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
