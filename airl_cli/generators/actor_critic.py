"""A Stable-Baselines3 actor-critic, computed without autograd."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.distributions import (
    CategoricalDistribution,
    DiagGaussianDistribution,
)
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.preprocessing import is_image_space, preprocess_obs
from stable_baselines3.common.torch_layers import FlattenExtractor, MlpExtractor
from torch import nn

from airl_cli.features import NormalizedFeatures
from airl_cli.generators.flat import FlatAdam, FlatParameters
from airl_cli.generators.heads import CategoricalHead, GaussianHead, Head


class ExplicitActorCritic:
    """The same functions of the same parameters as a policy's, with gradients written out.

    The policy stays the owner of everything: its modules, its optimiser and what they save are
    those of SB3. Only their memory is arranged anew.

    Args:
        policy: An `ActorCriticPolicy` of multilayer perceptrons on vectors; see `supports`.

    Raises:
        TypeError: A policy of another kind.
    """

    def __init__(self, policy: ActorCriticPolicy) -> None:
        reason = unsupported(policy)
        if reason:
            raise TypeError(reason)
        self.policy = policy
        self.head: Head = (
            GaussianHead(policy.log_std)
            if isinstance(policy.action_dist, DiagGaussianDistribution)
            else CategoricalHead()
        )
        body = policy.mlp_extractor
        self.actor = MLP(list(body.policy_net), policy.action_net)
        self.critic = MLP(list(body.value_net), policy.value_net)
        self._adam: FlatAdam | None = None
        self._arrange()

    def refresh(self) -> None:
        """Makes good what loading or moving the policy changed; cheap where nothing did."""
        if not self.flat.holds(self._own_parameters()):
            self._arrange()
        elif self._adam is not None and not self._adam.holds():
            self._adam = self._make_adam()
        self.flat.attach_grads()

    def _own_parameters(self) -> list[th.nn.Parameter]:
        return [*self.head.parameters(), *self.actor.parameters(), *self.critic.parameters()]

    def _arrange(self) -> None:
        self.flat = FlatParameters(self._own_parameters())
        self._adam = self._make_adam()
        for part in (self.head, self.actor, self.critic):
            part.refresh()

    def _make_adam(self) -> FlatAdam | None:
        optimizer = self.policy.optimizer
        if not FlatAdam.supports(optimizer):
            return None
        assert isinstance(optimizer, th.optim.Adam)
        return FlatAdam(optimizer, self.flat)

    # -- functions -----------------------------------------------------------------------------

    def features(self, obs: th.Tensor) -> th.Tensor:
        """Features (batch, dim) of raw observations; in training mode statistics go on."""
        space = self.policy.observation_space
        if obs.dtype != th.float32 or not isinstance(space, spaces.Box) or is_image_space(space):
            normalize = self.policy.normalize_images
            obs = preprocess_obs(obs, space, normalize_images=normalize)  # type: ignore[assignment]
        return self.policy.features_extractor(obs)

    def features_function(self) -> Callable[[th.Tensor], th.Tensor]:
        """`features` for as long as statistics stand still: normalisation is prepared once."""
        extractor = self.policy.features_extractor
        if type(extractor) is not NormalizedFeatures or extractor.training:
            return self.features
        norm, clip = extractor.norm, extractor.clip
        mean, scale = norm.running_mean, th.rsqrt(norm.running_var + norm.eps)

        def normalized(obs: th.Tensor) -> th.Tensor:
            return obs.flatten(1).sub(mean).mul_(scale).clamp_(-clip, clip)

        space = self.policy.observation_space
        return (
            normalized
            if isinstance(space, spaces.Box) and space.dtype == np.float32
            else (self.features)
        )

    @property
    def features_are_fixed(self) -> bool:
        """Whether features depend on nothing but the observation, in training too."""
        return type(self.policy.features_extractor) is FlattenExtractor

    # -- training ------------------------------------------------------------------------------

    def backward(self, of_log_prob: th.Tensor, of_values: th.Tensor, ent_coef: float) -> None:
        """Writes all gradients, for the newest outputs of actor and critic.

        Args:
            of_log_prob: Gradient of the loss in the log-probabilities (batch,).
            of_values: In the values (batch,).
            ent_coef: The loss holds minus this times the mean entropy.
        """
        self.actor.backward(self.head.backward(of_log_prob, ent_coef))
        self.critic.backward(of_values.unsqueeze(1))

    def step(self, max_norm: float) -> None:
        """Clips the gradients' norm, and takes a step of the policy's optimiser."""
        self.flat.clip_grads(max_norm)
        if self._adam is not None:
            self._adam.step()
        else:
            self.policy.optimizer.step()

    def publish(self) -> None:
        """Brings the optimiser's state up to date, for whoever saves it."""
        if self._adam is not None:
            self._adam.publish()


def unsupported(policy: object) -> str:
    """Why a policy cannot be computed here; empty if it can."""
    if type(policy) is not ActorCriticPolicy:
        return f"{type(policy).__name__} is not SB3's MlpPolicy"
    if type(policy.action_dist) not in (DiagGaussianDistribution, CategoricalDistribution):
        return f"actions are distributed by {type(policy.action_dist).__name__}"
    if type(policy.mlp_extractor) is not MlpExtractor:
        return "the policy has another extractor of latent features"
    extractor = policy.features_extractor
    if any(True for _ in extractor.parameters()):
        return "the features extractor is trained"
    if not policy.share_features_extractor and type(extractor) is not FlattenExtractor:
        return "actor and critic have features extractors of their own"
    if any(p.dtype != th.float32 or not p.requires_grad for p in policy.parameters()):
        return "some parameters are not of float32, or are not trained"
    try:
        MLP(list(policy.mlp_extractor.policy_net), policy.action_net)
        MLP(list(policy.mlp_extractor.value_net), policy.value_net)
    except TypeError as error:
        return str(error)
    return ""


_ACTIVATIONS: dict[type[nn.Module], tuple[Callable[..., th.Tensor], Callable[..., th.Tensor]]] = {
    nn.Tanh: (
        lambda x: x.tanh_(),
        lambda grad, out: th.ops.aten.tanh_backward.grad_input(grad, out, grad_input=grad),
    ),
    nn.ReLU: (
        lambda x: x.relu_(),
        lambda grad, out: th.ops.aten.threshold_backward.grad_input(grad, out, 0, grad_input=grad),
    ),
}
"""By class: the activation in place; and the gradient before it, from the one behind it and the
activation's output, in place."""


class MLP:
    """A multilayer perceptron with gradients written out.

    For nets as small as those of most policies, autograd takes longer to record and replay an
    operation than the operation itself. Backpropagation (Rumelhart, Hinton & Williams 1986) is
    three lines.

    Args:
        body: Linear layers, each followed by an activation of one class.
        head: The last layer.

    Raises:
        TypeError: Layers of other kinds.
    """

    def __init__(self, body: Sequence[nn.Module], head: nn.Module) -> None:
        linear, activations = list(body[0::2]), list(body[1::2])
        kinds = {type(activation) for activation in activations}
        known = len(kinds) <= 1 and kinds <= set(_ACTIVATIONS)
        plain = all(type(layer) is nn.Linear and layer.bias is not None for layer in linear)
        if len(linear) != len(activations) or not known or not plain:
            raise TypeError("an MLP here has Linear layers with Tanh or ReLU between them")
        if type(head) is not nn.Linear or head.bias is None:
            raise TypeError("the last layer of an MLP here is Linear with a bias")
        self._layers: list[nn.Linear] = [*linear, head]  # type: ignore[list-item]
        self._activate, self._backward_activation = _ACTIVATIONS[kinds.pop() if kinds else nn.Tanh]
        self._outputs: list[th.Tensor] = []

    def parameters(self) -> list[nn.Parameter]:
        """Weights and biases from the input to the output."""
        return [p for layer in self._layers for p in layer.parameters()]

    def refresh(self) -> None:
        """Looks the parameters' memory up; needed whenever it has moved."""
        self._weights = [layer.weight.data for layer in self._layers]
        self._transposed = [weight.T for weight in self._weights]
        self._biases = [layer.bias.data for layer in self._layers]
        self._grads = [(layer.weight.grad, layer.bias.grad) for layer in self._layers]

    def __call__(self, x: th.Tensor) -> th.Tensor:
        """Outputs (batch, out) of inputs (batch, in); remembers what `backward` needs."""
        outputs = [x]
        last = len(self._biases) - 1
        for i, (weight, bias) in enumerate(zip(self._transposed, self._biases, strict=True)):
            x = th.addmm(bias, x, weight)
            if i < last:
                x = self._activate(x)
                outputs.append(x)
        self._outputs = outputs
        return x

    def backward(self, grad: th.Tensor) -> None:
        """Writes the parameters' gradients.

        Args:
            grad: Of the loss in the newest outputs (batch, out).
        """
        for i in reversed(range(len(self._weights))):
            of_weight, of_bias = self._grads[i]
            th.mm(grad.T, self._outputs[i], out=of_weight)
            th.sum(grad, 0, out=of_bias)
            if i > 0:
                grad = th.mm(grad, self._weights[i])
                grad = self._backward_activation(grad, self._outputs[i])
