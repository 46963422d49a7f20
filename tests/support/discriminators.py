"""What tests of the discriminator share: nets and transitions of `Line`, and its figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th

from airl_cli.algorithms.batch import TransitionBatch
from airl_cli.rewards import BasicRewardNet, BasicShapedRewardNet
from support.line import Line

FLOATS = {
    "disc_loss",
    "disc_acc",
    "disc_acc_expert",
    "disc_acc_gen",
    "disc_entropy",
    "disc_proportion_expert_true",
    "disc_proportion_expert_pred",
    "n_expert",
    "n_generated",
}


def line_net(cls: type = BasicShapedRewardNet, **kwargs: Any) -> Any:
    env = Line()
    return cls(env.observation_space, env.action_space, **kwargs)


def linear_net() -> BasicRewardNet:
    """The reward x + 2 t + 2 a: its gradient has norm 3 everywhere."""
    net = line_net(BasicRewardNet, hid_sizes=())
    with th.no_grad():
        net.mlp[0].weight.copy_(th.tensor([[1.0, 2.0, 2.0]]))
    return net


def random_batch(n: int = 20, seed: int = 0) -> TransitionBatch:
    """`n` transitions with normally distributed numbers, none of them terminal."""
    rng = np.random.default_rng(seed)
    columns = {"obs": rng.normal(size=(n, 2)), "acts": rng.normal(size=(n, 1))}
    return TransitionBatch.of(
        {**columns, "next_obs": rng.normal(size=(n, 2)), "dones": np.zeros(n)}
    )


def weights(module: th.nn.Module) -> dict[str, th.Tensor]:
    """A copy of the state."""
    return {key: value.clone() for key, value in module.state_dict().items()}


def same(a: dict[str, th.Tensor], b: dict[str, th.Tensor]) -> bool:
    return all(th.equal(a[key], b[key]) for key in a)
