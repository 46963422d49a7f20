"""What the fast generator is made of, against autograd, SB3's distributions and torch's Adam."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch as th
from stable_baselines3.common.distributions import (
    CategoricalDistribution,
    DiagGaussianDistribution,
)
from torch import nn

from airl_cli.generators.actor_critic import MLP
from airl_cli.generators.flat import FlatAdam, FlatParameters
from airl_cli.generators.heads import CategoricalHead, GaussianHead, Head


def parts(sizes: list[int], activation: type[nn.Module]) -> tuple[list[nn.Module], nn.Linear]:
    th.manual_seed(0)
    body: list[nn.Module] = []
    for before, after in zip(sizes[:-2], sizes[1:-1], strict=True):
        body += [nn.Linear(before, after), activation()]
    return body, nn.Linear(*sizes[-2:])


@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU])
@pytest.mark.parametrize("sizes", [[3, 1], [3, 8, 2], [3, 8, 5, 2]], ids=str)
def test_gradients_of_an_mlp_are_those_of_autograd(sizes: list[int], activation) -> None:
    body, head = parts(sizes, activation)
    x, grad = th.randn(20, 3), th.randn(20, sizes[-1])
    mlp = MLP(body, head)
    parameters = mlp.parameters()
    outputs = nn.Sequential(*body, head)(x)
    expected = th.autograd.grad(outputs, parameters, grad)
    flat = FlatParameters(parameters)
    mlp.refresh()
    with th.no_grad():
        th.testing.assert_close(mlp(x), outputs)
        mlp.backward(grad.clone())
    for parameter, theirs in zip(parameters, expected, strict=True):
        th.testing.assert_close(parameter.grad, theirs, atol=1e-5, rtol=1e-5)
    assert th.count_nonzero(flat.grads) > 0


@pytest.mark.parametrize(
    ("body", "head"),
    [
        ([nn.Linear(3, 4), nn.ELU()], nn.Linear(4, 1)),
        ([nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 4), nn.ReLU()], nn.Linear(4, 1)),
        ([nn.Linear(3, 4, bias=False), nn.Tanh()], nn.Linear(4, 1)),
        ([nn.Linear(3, 4)], nn.Linear(4, 1)),
        ([], nn.Identity()),
    ],
)
def test_an_mlp_of_other_layers_is_refused(body, head) -> None:
    with pytest.raises(TypeError, match="MLP"):
        MLP(body, head)


def heads() -> list[tuple[Head, list[nn.Parameter], th.Tensor]]:
    """Head, parameters and outputs for each kind of actions."""
    log_std = nn.Parameter(th.tensor([0.3, -0.7]))
    return [
        (GaussianHead(log_std), [log_std], th.randn(30, 2)),
        (CategoricalHead(), [], th.randn(30, 4)),
    ]


def distribution(head: Head, parameters: list[nn.Parameter], outputs: th.Tensor):
    if isinstance(head, GaussianHead):
        return DiagGaussianDistribution(2).proba_distribution(outputs, parameters[0])
    return CategoricalDistribution(4).proba_distribution(action_logits=outputs)


@pytest.mark.parametrize("kind", [0, 1], ids=["gaussian", "categorical"])
@pytest.mark.parametrize("ent_coef", [0.0, 0.3])
def test_heads_are_the_distributions_and_know_their_gradients(kind: int, ent_coef: float) -> None:
    th.manual_seed(0)
    head, parameters, outputs = heads()[kind]
    if parameters:
        FlatParameters(parameters)
    head.refresh()
    head.begin()
    theirs = distribution(head, parameters, outputs.requires_grad_())
    th.manual_seed(1)
    expected = theirs.sample().detach()
    th.manual_seed(1)
    with th.no_grad():
        actions = head.sample(outputs)
        th.testing.assert_close(actions.reshape(expected.shape), expected)
        log_prob = head.log_prob(outputs, actions)
        entropy = head.entropy()
    expected_log_prob, expected_entropy = theirs.log_prob(expected), theirs.entropy()
    th.testing.assert_close(log_prob, expected_log_prob.detach(), atol=1e-5, rtol=1e-5)
    th.testing.assert_close(entropy, expected_entropy.detach().mean())

    grad = th.randn(30)
    loss = (grad * expected_log_prob).sum() - ent_coef * expected_entropy.mean()
    gradients = th.autograd.grad(loss, [outputs, *parameters])
    with th.no_grad():
        ours = head.backward(grad, ent_coef)
    th.testing.assert_close(ours, gradients[0], atol=1e-5, rtol=1e-5)
    for parameter, gradient in zip(parameters, gradients[1:], strict=True):
        th.testing.assert_close(parameter.grad, gradient, atol=1e-5, rtol=1e-5)


def test_the_same_seed_draws_the_same_actions_as_torch_for_any_number_of_them() -> None:
    for n, actions in [(1, 2), (8, 2), (3, 7), (16, 18)]:
        probabilities = th.rand(n, actions).log_softmax(1)
        th.manual_seed(2)
        expected = th.distributions.Categorical(logits=probabilities).sample()
        th.manual_seed(2)
        assert th.equal(CategoricalHead().sample(probabilities).squeeze(1), expected)


@pytest.mark.parametrize("settings", [{}, {"weight_decay": 0.1, "eps": 1e-5, "betas": (0.8, 0.9)}])
def test_flat_adam_takes_the_steps_of_torchs_and_hands_its_state_over(settings) -> None:
    ours = [nn.Parameter(th.randn(*shape)) for shape in ((3, 5), (5,), (1, 1))]
    theirs = copy.deepcopy(ours)
    optimizers = [th.optim.Adam(p, lr=0.1, **settings) for p in (ours, theirs)]
    for parameter, other in zip(ours, theirs, strict=True):  # one step before it takes over
        parameter.grad = other.grad = th.randn_like(other)
    for optimizer in optimizers:
        optimizer.step()
    flat = FlatParameters(ours)
    adam = FlatAdam(optimizers[0], flat)
    for _ in range(3):
        for parameter, other in zip(ours, theirs, strict=True):
            parameter.grad.copy_(other.grad.normal_())
        flat.clip_grads(0.5)
        nn.utils.clip_grad_norm_(theirs, 0.5)
        adam.step()
        optimizers[1].step()
    adam.publish()
    for parameter, other in zip(ours, theirs, strict=True):
        th.testing.assert_close(parameter, other)
    states = [optimizer.state_dict()["state"] for optimizer in optimizers]
    for index, entries in states[1].items():
        for name, value in entries.items():
            th.testing.assert_close(states[0][index][name], value)


def test_other_optimisers_are_left_to_torch() -> None:
    weights = [nn.Parameter(th.zeros(3)), nn.Parameter(th.zeros(2))]
    assert FlatAdam.supports(th.optim.Adam(weights))
    assert not FlatAdam.supports(th.optim.Adam(weights, amsgrad=True))
    assert not FlatAdam.supports(th.optim.Adam(weights, decoupled_weight_decay=True))
    assert not FlatAdam.supports(th.optim.AdamW(weights))
    assert not FlatAdam.supports(th.optim.RMSprop(weights))
    assert not FlatAdam.supports(th.optim.Adam([{"params": weights[:1]}, {"params": weights[1:]}]))


def test_flat_parameters_know_when_they_have_been_moved() -> None:
    module = nn.Linear(3, 2)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    flat = FlatParameters(list(module.parameters()))
    assert all(th.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    module.load_state_dict({name: tensor + 1 for name, tensor in before.items()})
    assert flat.holds(list(module.parameters()))
    np.testing.assert_allclose(flat.values[:6], before["weight"].flatten() + 1)
    module.weight.data = module.weight.data.clone()
    assert not flat.holds(list(module.parameters()))
