"""`RewardNet`: what every learned reward is, and wrappers around one."""

from __future__ import annotations

import abc
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.preprocessing import get_flattened_obs_dim, preprocess_obs
from torch import nn

from airl_cli.errors import InvalidTypeError
from airl_cli.rewards.layers import evaluating

ArrayOrTensor = np.ndarray | th.Tensor

_MLP_SPACES = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)


class RewardNet(nn.Module, abc.ABC):
    """A reward as a differentiable function of a transition (s, a, s', done).

    Args:
        observation_space: Of the environment: Box, Discrete, MultiDiscrete or MultiBinary.
        action_space: Likewise.
        normalize_images: Divide pixels by 255, for image observations.

    Raises:
        InvalidTypeError: A space that cannot be flattened into numbers here (`Dict`, `Tuple`, ...).
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        normalize_images: bool = True,
    ) -> None:
        super().__init__()
        check_supported_space(observation_space, "observation space")
        check_supported_space(action_space, "action space")
        self.observation_space = observation_space
        self.action_space = action_space
        self.normalize_images = normalize_images

    @abc.abstractmethod
    def forward(
        self, state: th.Tensor, action: th.Tensor, next_state: th.Tensor, done: th.Tensor
    ) -> th.Tensor:
        """Rewards (batch,) of preprocessed transitions, with gradients.

        Args:
            state: Observations (batch, *preprocessed observation shape).
            action: Actions (batch, *preprocessed action shape).
            next_state: The observations after the actions, like `state`.
            done: 1.0 where `next_state` is terminal, else 0.0 (batch,).
        """

    @property
    def uses_action(self) -> bool:
        """Whether the reward may depend on the action; one that does not fits any actions."""
        return True

    def preprocess(
        self,
        state: ArrayOrTensor,
        action: ArrayOrTensor,
        next_state: ArrayOrTensor,
        done: ArrayOrTensor,
    ) -> tuple[th.Tensor, th.Tensor, th.Tensor, th.Tensor]:
        """Turns transitions as the environment gives them into what `forward` takes.

        Discrete spaces become one-hot vectors, pixels are divided by 255, everything is float32
        on the net's device. Actions become zeros where the net does not look at them, so that
        such a net can be applied to any. Arguments are batches as in `forward`.
        """
        device = self.device
        return (
            self._encode(state, self.observation_space, device),
            self._encode_action(action, device),
            self._encode(next_state, self.observation_space, device),
            th.as_tensor(done, device=device).to(th.float32),
        )

    def _encode_action(self, action: ArrayOrTensor, device: th.device) -> th.Tensor:
        if self.uses_action:
            return self._encode(action, self.action_space, device)
        size = get_flattened_obs_dim(self.action_space)  # it may be applied to other actions
        return th.zeros(len(action), size, device=device)

    def _encode(self, values: ArrayOrTensor, space: spaces.Space, device: th.device) -> th.Tensor:
        tensor = th.as_tensor(values, device=device)
        encoded = preprocess_obs(tensor, space, normalize_images=self.normalize_images)
        assert isinstance(encoded, th.Tensor)  # only Dict spaces give a dict
        return encoded.to(th.float32)

    def predict_th(
        self,
        state: ArrayOrTensor,
        action: ArrayOrTensor,
        next_state: ArrayOrTensor,
        done: ArrayOrTensor,
    ) -> th.Tensor:
        """Rewards (batch,) without gradients, in evaluation mode; arguments as in `preprocess`."""
        with evaluating(self), th.no_grad():
            return self(*self.preprocess(state, action, next_state, done))

    def predict(
        self,
        state: np.ndarray,
        action: np.ndarray,
        next_state: np.ndarray,
        done: np.ndarray,
    ) -> np.ndarray:
        """Rewards (batch,) float32 of NumPy batches; the net's output as it is."""
        return self.predict_th(state, action, next_state, done).cpu().numpy()

    def predict_processed(
        self,
        state: np.ndarray,
        action: np.ndarray,
        next_state: np.ndarray,
        done: np.ndarray,
        **kwargs: Any,
    ) -> np.ndarray:
        """Rewards (batch,) as a generator should be trained on them.

        The same as `predict` here; wrappers that normalise or add a bonus change it.

        Args:
            state: Observations (batch, *observation shape).
            action: Actions (batch, *action shape).
            next_state: The observations after the actions.
            done: Whether `next_state` is terminal (batch,).
            **kwargs: For wrappers.
        """
        del kwargs
        return self.predict(state, action, next_state, done)

    @property
    def is_processed(self) -> bool:
        """Whether `predict_processed` is anything else than `predict`."""
        return type(self).predict_processed is not RewardNet.predict_processed

    @property
    def device(self) -> th.device:
        """Where the parameters live."""
        parameter = next(self.parameters(), None)
        return parameter.device if parameter is not None else th.device("cpu")

    @property
    def dtype(self) -> th.dtype:
        """Type of the parameters."""
        parameter = next(self.parameters(), None)
        return parameter.dtype if parameter is not None else th.get_default_dtype()


class RewardNetWrapper(RewardNet):
    """A reward net around another; `AIRL.reward_test` takes wrappers off again.

    Args:
        base: The wrapped net; its spaces become the wrapper's.
    """

    def __init__(self, base: RewardNet) -> None:
        super().__init__(base.observation_space, base.action_space, base.normalize_images)
        self._base = base

    @property
    def base(self) -> RewardNet:
        """The wrapped net."""
        return self._base

    @property
    def uses_action(self) -> bool:
        """As the base does."""
        return self.base.uses_action

    def forward(
        self, state: th.Tensor, action: th.Tensor, next_state: th.Tensor, done: th.Tensor
    ) -> th.Tensor:
        """The base's rewards (batch,), unless a wrapper changes them."""
        return self.base(state, action, next_state, done)

    def preprocess(
        self,
        state: ArrayOrTensor,
        action: ArrayOrTensor,
        next_state: ArrayOrTensor,
        done: ArrayOrTensor,
    ) -> tuple[th.Tensor, th.Tensor, th.Tensor, th.Tensor]:
        """As the base does it."""
        return self.base.preprocess(state, action, next_state, done)


def unwrapped(net: RewardNet) -> RewardNet:
    """The innermost net, all `RewardNetWrapper`s removed."""
    while isinstance(net, RewardNetWrapper):
        net = net.base
    return net


def check_supported_space(space: spaces.Space, what: str) -> None:
    """Refuses spaces that no reward net here can encode.

    Raises:
        InvalidTypeError: Naming the space and what to do.
    """
    if not isinstance(space, _MLP_SPACES):
        raise InvalidTypeError(
            f"the {what} {space} cannot be fed to a reward net: "
            "Box, Discrete, MultiDiscrete and MultiBinary can.",
            "Flatten it first, for example with gymnasium.wrappers.FlattenObservation.",
        )
