"""Features extractors for Stable-Baselines3 policies."""

from __future__ import annotations

from collections.abc import Callable

import torch as th
from gymnasium import spaces
from stable_baselines3.common.preprocessing import get_flattened_obs_dim, is_image_space
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, FlattenExtractor
from torch import nn

from airl_cli.errors import InvalidValueError
from airl_cli.rewards.layers import BaseNorm, RunningNorm


class NormalizedFeatures(BaseFeaturesExtractor):
    """Flattened observations, normalised by running statistics that travel with the policy.

    Unlike a `VecNormalize` around the environment, they need no file beside the weights, and
    demonstrations stay what the environment showed.

    Args:
        observation_space: Of the environment.
        norm: Class of the normalisation layer, built with the number of features.
        clip: Bound of the normalised features.

    Raises:
        InvalidValueError: Observations that are images.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        norm: type[BaseNorm] = RunningNorm,
        clip: float = 10.0,
    ) -> None:
        if is_image_space(observation_space):
            raise InvalidValueError(
                "NormalizedFeatures takes vectors; the environment shows images.",
                "Leave features_extractor_class out, with policy=CnnPolicy (recipe=none).",
            )
        size = get_flattened_obs_dim(observation_space)
        super().__init__(observation_space, features_dim=size)
        self.flatten = nn.Flatten()
        self.norm = norm(size)
        self.clip = clip

    def forward(self, observations: th.Tensor) -> th.Tensor:
        """Features (batch, features_dim) of preprocessed observations."""
        return self.norm(self.flatten(observations)).clamp(-self.clip, self.clip)


class NormalizeFeaturesExtractor(FlattenExtractor):
    """Flattened observations, normalised by running statistics and not clipped.

    As in the experts that imitation's authors published.

    Args:
        observation_space: Of the environment.
        normalize_class: Class of the normalisation, built with the number of features.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        normalize_class: Callable[[int], nn.Module] = RunningNorm,
    ) -> None:
        super().__init__(observation_space)
        self.normalize = normalize_class(self.features_dim)

    def forward(self, observations: th.Tensor) -> th.Tensor:
        """Features (batch, features_dim) of preprocessed observations."""
        return self.normalize(super().forward(observations))
