"""`RewardNet`, the base class of learned rewards, and the base classes of wrappers around one."""

from __future__ import annotations

import abc
import inspect
from functools import partial
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from torch import Tensor, nn

from airl_cli.errors import InvalidValueError
from airl_cli.rewards.encoding import (
    ArrayOrTensor,
    check_supported_space,
    encode,
    encode_dones,
    encoded_size,
)
from airl_cli.rewards.layers import evaluating

Array = np.ndarray
Transition = tuple[Tensor, Tensor, Tensor, Tensor]
"""State, action, next state and done, preprocessed."""


class _RecordsArguments(abc.ABCMeta):
    """Keeps the arguments that an object was constructed with, so that it can be described."""

    @property
    def __signature__(cls) -> inspect.Signature:  # else `inspect` shows that of `__call__`
        signature = inspect.signature(cls.__init__)  # type: ignore[misc]
        return signature.replace(parameters=[*signature.parameters.values()][1:])

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        made = super().__call__(*args, **kwargs)
        names = cls.__signature__.parameters
        made.constructor_arguments = {**dict(zip(names, args, strict=False)), **kwargs}
        return made


class RewardNet(nn.Module, metaclass=_RecordsArguments):
    """A reward as a differentiable function of a transition (s, a, s', done).

    Args:
        observation_space: Of the environment: Box, Discrete, MultiDiscrete or MultiBinary.
        action_space: Likewise.
        normalize_images: Divide pixels by 255, for image observations.

    Attributes:
        constructor_arguments: Of the class that was instantiated, by name.

    Raises:
        InvalidTypeError: A space that cannot be encoded here (`Dict`, `Tuple`, ...).
    """

    constructor_arguments: dict[str, Any]

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
    def forward(self, state: Tensor, action: Tensor, next_state: Tensor, done: Tensor) -> Tensor:
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
    ) -> Transition:
        """Encodes transitions as the environment gives them for `forward`.

        Discrete spaces become one-hot vectors, pixels are divided by 255, everything is float32
        on the net's device. Actions become zeros where the net does not use them, so that such a
        net can be applied to the actions of another environment. Arguments are batches as in
        `forward`.

        Raises:
            InvalidValueError: `done` is not one flag per transition.
        """
        of = partial(encode, device=self.device, normalize_images=self.normalize_images)
        if self.uses_action:
            encoded_action = of(action, self.action_space)
        else:
            size = encoded_size(self.action_space)
            encoded_action = th.zeros(len(action), size, device=self.device)
        return (
            of(state, self.observation_space),
            encoded_action,
            of(next_state, self.observation_space),
            encode_dones(done, device=self.device),
        )

    def predict_th(self, state: Array, action: Array, next_state: Array, done: Array) -> Tensor:
        """Rewards (batch,) without gradients, in evaluation mode; arguments as in `preprocess`."""
        with evaluating(self), th.no_grad():
            return self(*self.preprocess(state, action, next_state, done))

    def predict(self, state: Array, action: Array, next_state: Array, done: Array) -> Array:
        """Rewards (batch,) float32 of NumPy batches; the net's output as it is."""
        return self.predict_th(state, action, next_state, done).cpu().numpy()

    def predict_processed(
        self, state: Array, action: Array, next_state: Array, done: Array, **kwargs: Any
    ) -> Array:
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
        """Whether `predict_processed` can differ from `predict`."""
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


class RewardNetWithVariance(RewardNet):
    """A reward net that also knows the variance of its rewards."""

    @abc.abstractmethod
    def predict_reward_moments(
        self, state: Array, action: Array, next_state: Array, done: Array, **kwargs: Any
    ) -> tuple[Array, Array]:
        """Mean and variance (batch,) of the rewards; arguments as in `predict_processed`."""


class RewardNetWrapper(RewardNet):
    """A reward net around another; `AIRL.reward_test` removes wrappers.

    Derive from `ForwardWrapper` to change what is trained, from `PredictProcessedWrapper` to
    change what a generator is trained on.

    Args:
        base: The wrapped net; its spaces become the wrapper's.

    Raises:
        InvalidValueError: The base processes rewards in `predict_processed`, which this wrapper
            would silently drop because it has no `predict_processed` of its own.
    """

    def __init__(self, base: RewardNet) -> None:
        super().__init__(base.observation_space, base.action_space, base.normalize_images)
        if base.is_processed and not self.is_processed:
            raise InvalidValueError(
                f"{type(self).__name__} around {type(base).__name__} would drop what the latter "
                "does in predict_processed.",
                f"Put {type(base).__name__} outermost: normalise the shaped net, for example.",
            )
        self._base = base

    @property
    def base(self) -> RewardNet:
        """The wrapped net."""
        return self._base

    @property
    def uses_action(self) -> bool:
        """As the base does."""
        return self.base.uses_action

    @property
    def device(self) -> th.device:
        """As the base's."""
        return self.base.device

    @property
    def dtype(self) -> th.dtype:
        """As the base's."""
        return self.base.dtype

    def forward(self, state: Tensor, action: Tensor, next_state: Tensor, done: Tensor) -> Tensor:
        """The base's rewards (batch,), unless a wrapper changes them."""
        return self.base(state, action, next_state, done)

    def preprocess(
        self,
        state: ArrayOrTensor,
        action: ArrayOrTensor,
        next_state: ArrayOrTensor,
        done: ArrayOrTensor,
    ) -> Transition:
        """As the base does it."""
        return self.base.preprocess(state, action, next_state, done)


class ForwardWrapper(RewardNetWrapper):
    """Base of wrappers that change `forward`, such as shaping; they go inside.

    Raises:
        InvalidValueError: Around a `PredictProcessedWrapper`, see `RewardNetWrapper`.
    """


class PredictProcessedWrapper(RewardNetWrapper):
    """Base of wrappers that change `predict_processed` alone, such as normalisation; outside.

    `forward`, `predict` and `predict_th` are the base's.
    """

    def predict_th(self, state: Array, action: Array, next_state: Array, done: Array) -> Tensor:
        """As the base does it."""
        return self.base.predict_th(state, action, next_state, done)

    def predict(self, state: Array, action: Array, next_state: Array, done: Array) -> Array:
        """As the base does it."""
        return self.base.predict(state, action, next_state, done)

    @abc.abstractmethod
    def predict_processed(
        self, state: Array, action: Array, next_state: Array, done: Array, **kwargs: Any
    ) -> Array:
        """Rewards (batch,) for a generator; `kwargs` go on to the base's `predict_processed`."""


def unwrapped(net: RewardNet) -> RewardNet:
    """The innermost net, all `RewardNetWrapper`s removed."""
    while isinstance(net, RewardNetWrapper):
        net = net.base
    return net
