"""Features extractors for Stable-Baselines3 policies."""

from __future__ import annotations

from collections.abc import Callable

import torch as th
from gymnasium import spaces
from stable_baselines3.common.preprocessing import get_flattened_obs_dim, is_image_space
from stable_baselines3.common.torch_layers import (
    BaseFeaturesExtractor,
    FlattenExtractor,
    NatureCNN,
)
from torch import nn

from airl_cli.rewards.layers import BaseNorm, RunningNorm

_IMAGE_FEATURES = 256
_SMALLEST_OF_NATURE_CNN = 36  # pixels a side that its kernels and strides need
_SMALLEST_TO_SHRINK = 8


class NormalizedFeatures(BaseFeaturesExtractor):
    """Features of any observation: vectors are normalised, images pass through convolutions.

    Vectors are flattened and normalised by running statistics that travel with the policy: unlike a
    `VecNormalize` around the environment, they need no file beside the weights, and demonstrations
    stay what the environment showed. Images of 36 pixels or more to a side get the layers of SB3's
    `NatureCNN` (Mnih et al. 2015), smaller ones two convolutions of 3 x 3.

    Args:
        observation_space: Of the environment; images are (channels, height, width), as in SB3.
        norm: Class of the normalisation layer of vectors, built with the number of features.
        clip: Bound of the normalised features.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        norm: type[BaseNorm] = RunningNorm,
        clip: float = 10.0,
    ) -> None:
        images = is_image_space(observation_space)
        size = _IMAGE_FEATURES if images else get_flattened_obs_dim(observation_space)
        super().__init__(observation_space, features_dim=size)
        self.clip = clip
        self.convolutions: nn.Module | None = None
        if images:
            assert isinstance(observation_space, spaces.Box)
            self.convolutions = _convolutions(observation_space)
        else:
            self.flatten = nn.Flatten()
            self.norm = norm(size)

    def forward(self, observations: th.Tensor) -> th.Tensor:
        """Features (batch, features_dim) of preprocessed observations."""
        if self.convolutions is not None:
            return self.convolutions(observations)
        return self.norm(self.flatten(observations)).clamp(-self.clip, self.clip)


def _convolutions(space: spaces.Box) -> nn.Module:
    channels, height, width = space.shape
    if min(height, width) >= _SMALLEST_OF_NATURE_CNN:
        return NatureCNN(space, _IMAGE_FEATURES)
    stride = 2 if min(height, width) >= _SMALLEST_TO_SHRINK else 1
    layers = [
        *(nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(32, 64, 3, stride, padding=1), nn.ReLU(), nn.Flatten()),
    ]
    size = nn.Sequential(*layers)(th.zeros(1, *space.shape)).shape[1]
    return nn.Sequential(*layers, nn.Linear(size, _IMAGE_FEATURES), nn.ReLU())


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
