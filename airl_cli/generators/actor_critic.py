"""A Stable-Baselines3 actor-critic, computed without autograd."""

from __future__ import annotations

from collections.abc import Callable

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

from airl_cli.features import NormalizedFeatures
from airl_cli.generators.flat import FlatAdam, FlatParameters
from airl_cli.generators.heads import CategoricalHead, GaussianHead, Head
from airl_cli.generators.towers import Tower


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
        self.actor = Tower(list(body.policy_net), policy.action_net)
        self.critic = Tower(list(body.value_net), policy.value_net)
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
        Tower(list(policy.mlp_extractor.policy_net), policy.action_net)
        Tower(list(policy.mlp_extractor.value_net), policy.value_net)
    except TypeError as error:
        return str(error)
    return ""
