"""Densities of several policies of one architecture, for the same actions."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Protocol

import torch as th
from gymnasium import spaces
from stable_baselines3.common.distributions import (
    CategoricalDistribution,
    DiagGaussianDistribution,
)
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.preprocessing import is_image_space, preprocess_obs
from stable_baselines3.common.torch_layers import MlpExtractor
from torch import nn

from airl_cli.algorithms.log_prob import action_log_prob, box_bounds, censored_log_density

Weights = dict[str, th.Tensor]


class Densities(Protocol):
    """Log-densities by weights."""

    def weights_of(self, policy: BasePolicy) -> Weights:
        """A copy of what the density depends on."""

    def log_probs(
        self, weights: Sequence[Weights], obs: th.Tensor, acts: th.Tensor
    ) -> Sequence[th.Tensor]:
        """Of policies with these weights (n): n log-probabilities (batch,).

        Args:
            weights: Of each policy.
            obs: Observations (batch, *observation shape).
            acts: Actions (batch, *action shape) as the environment received them.
        """


def densities_of(policy: BasePolicy) -> Densities:
    """The fastest way for a policy of this kind."""
    is_stackable = (
        isinstance(policy, ActorCriticPolicy)
        and not is_image_space(policy.observation_space)  # convolutions gain nothing
        and isinstance(policy.mlp_extractor, MlpExtractor)
        and not policy.squash_output
        and type(policy.action_dist) in (CategoricalDistribution, DiagGaussianDistribution)
        and type(policy).get_distribution is ActorCriticPolicy.get_distribution
    )
    return StackedDensities(policy) if is_stackable else OneByOneDensities(policy)  # type: ignore[arg-type]


class _Actor(nn.Module):
    """The part of an actor-critic that acts, its modules shared with the policy."""

    def __init__(self, policy: ActorCriticPolicy) -> None:
        super().__init__()
        self.features = policy.pi_features_extractor
        self.body = policy.mlp_extractor.policy_net
        self.head = policy.action_net
        if isinstance(policy.action_dist, DiagGaussianDistribution):
            self.log_std = policy.log_std

    def forward(self, obs: th.Tensor) -> th.Tensor:
        return self.head(self.body(self.features(obs)))


class StackedDensities:
    """All policies in one batched pass, for actor-critics with Gaussian or categorical actions.

    Args:
        policy: Of the architecture.
    """

    def __init__(self, policy: ActorCriticPolicy) -> None:
        self._space = policy.action_space
        self._observation_space = policy.observation_space
        self._actor = copy.deepcopy(_Actor(policy)).eval()
        self._stacked: tuple[list[int], Weights] = ([], {})

    def weights_of(self, policy: BasePolicy) -> Weights:
        """See `Densities`."""
        assert isinstance(policy, ActorCriticPolicy)
        return {name: tensor.clone() for name, tensor in _Actor(policy).state_dict().items()}

    @th.no_grad()
    def log_probs(
        self, weights: Sequence[Weights], obs: th.Tensor, acts: th.Tensor
    ) -> Sequence[th.Tensor]:
        """See `Densities`."""
        inputs = preprocess_obs(obs, self._observation_space)
        stacked = self._stack(weights)

        def outputs_of(one: Weights) -> th.Tensor:
            return th.func.functional_call(self._actor, one, (inputs,))

        outputs = th.vmap(outputs_of)(stacked)
        if not isinstance(self._space, spaces.Box):
            chosen = acts.long().reshape(1, -1, 1).expand(len(weights), -1, -1)
            return outputs.log_softmax(2).gather(2, chosen).squeeze(2).unbind()
        low, high = box_bounds(self._space, outputs.device)
        std = stacked["log_std"].exp().unsqueeze(1).expand_as(outputs)
        flat = acts.reshape(1, len(acts), -1).expand_as(outputs)
        return censored_log_density(flat, outputs, std, low, high).sum(dim=2).unbind()

    def _stack(self, weights: Sequence[Weights]) -> Weights:
        key = [id(each) for each in weights]
        if self._stacked[0] != key:
            names = weights[0]
            self._stacked = key, {name: th.stack([w[name] for w in weights]) for name in names}
        return self._stacked[1]


class OneByOneDensities:
    """One pass for each policy, for any kind that has log-probabilities.

    Args:
        policy: Of the architecture.
    """

    def __init__(self, policy: BasePolicy) -> None:
        self._scratch = copy.deepcopy(policy)
        self._scratch.set_training_mode(False)
        self._loaded: Weights | None = None

    def weights_of(self, policy: BasePolicy) -> Weights:
        """See `Densities`; of SAC and its kind without the critics."""
        return {name: tensor.clone() for name, tensor in self._own(policy).items()}

    @th.no_grad()
    def log_probs(
        self, weights: Sequence[Weights], obs: th.Tensor, acts: th.Tensor
    ) -> Sequence[th.Tensor]:
        """See `Densities`."""
        return [self._log_prob(each, obs, acts) for each in weights]

    def _log_prob(self, weights: Weights, obs: th.Tensor, acts: th.Tensor) -> th.Tensor:
        if self._loaded is not weights:
            for name, tensor in self._own(self._scratch).items():
                tensor.copy_(weights[name])
            self._loaded = weights
        return action_log_prob(self._scratch, obs, acts)

    @staticmethod
    def _own(policy: BasePolicy) -> Weights:
        state = policy.state_dict()
        actor = {name: tensor for name, tensor in state.items() if name.startswith("actor.")}
        return actor or state
