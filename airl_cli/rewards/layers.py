"""Building blocks of reward nets: normalisation layers, multilayer perceptrons, convolutions."""

from __future__ import annotations

import abc
import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch as th
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.nn.utils.parametrizations import spectral_norm as spectral_normalized

from airl_cli.errors import InvalidTypeError, InvalidValueError


class BaseNorm(nn.Module, abc.ABC):
    """Normalises features by running statistics, never by those of the batch alone.

    In training mode every forward pass first takes the batch into the statistics; in evaluation
    mode, or inside `frozen_statistics`, they are constant.

    Args:
        num_features: Length of the last axis of the input.
        eps: Added to the variance, so that a constant feature does not divide by zero.

    Attributes:
        running_mean: Mean of each feature (num_features,).
        running_var: Variance of each feature (num_features,).
        count: Samples seen so far (scalar).
    """

    running_mean: th.Tensor
    running_var: th.Tensor
    count: th.Tensor

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.frozen = False
        self.register_buffer("running_mean", th.zeros(num_features))
        self.register_buffer("running_var", th.ones(num_features))

    def forward(self, x: th.Tensor) -> th.Tensor:
        """Normalises `x` (batch, num_features), or (batch,) where there is one feature."""
        if self.training and not self.frozen:
            with th.no_grad():
                self.update_stats(x)
        return (x - self.running_mean) * th.rsqrt(self.running_var + self.eps)

    @abc.abstractmethod
    def update_stats(self, batch: th.Tensor) -> None:
        """Takes a batch (batch, num_features) into the statistics."""

    def reset_running_stats(self) -> None:
        """Forgets everything seen; the layer is then the identity, up to `eps`."""
        self.running_mean.zero_()
        self.running_var.fill_(1.0)
        self.count.zero_()

    def _moments(self, batch: th.Tensor) -> tuple[th.Tensor, th.Tensor, int]:
        batch = batch.reshape(-1, self.num_features)
        n = batch.shape[0]
        mean = batch.sum(0).div_(n)  # three times as fast as torch's var_mean along this axis
        var = (batch - mean).square_().sum(0).div_(n)
        return mean, var, n

    def _merge(self, mean: th.Tensor, var: th.Tensor, weight: float) -> None:
        """Mixes moments in, `weight` of them and the rest of those so far."""
        delta = mean - self.running_mean
        var.addcmul_(delta, delta, value=1 - weight)
        self.running_var.lerp_(var, weight)
        self.running_mean.add_(delta, alpha=weight)


class RunningNorm(BaseNorm):
    """Mean and variance of everything seen so far (Chan et al. 1979, parallel update)."""

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__(num_features, eps)
        self.register_buffer("count", th.zeros((), dtype=th.int64))

    def update_stats(self, batch: th.Tensor) -> None:
        """Merges the batch's moments, weighted by its size."""
        mean, var, n = self._moments(batch)
        self.count += n
        self._merge(mean, var, n / int(self.count))


class EMANorm(BaseNorm):
    """Exponentially weighted mean and variance, for inputs that drift.

    The start is not biased towards the initial statistics: the weight of batch `t` is
    `(1 - decay) / (1 - decay**t)`, as in Adam's correction (Kingma & Ba 2015, section 3).

    Args:
        num_features: Length of the last axis of the input.
        decay: Weight of the past in each update, in (0, 1).
        eps: Added to the variance.

    Attributes:
        count: Samples seen since the layer was built or reset; not saved, because nothing is
            computed from it.
        num_batches: Batches seen so far (scalar).
    """

    num_batches: th.Tensor

    def __init__(self, num_features: int, decay: float = 0.99, eps: float = 1e-5) -> None:
        if not 0 < decay < 1:
            raise ValueError(f"decay must lie in (0, 1), not {decay}")
        super().__init__(num_features, eps)
        self.decay = decay
        self.register_buffer("num_batches", th.zeros((), dtype=th.int64))
        self.register_buffer("count", th.zeros((), dtype=th.int64), persistent=False)
        self.register_load_state_dict_pre_hook(_drop_derived_statistics)

    def update_stats(self, batch: th.Tensor) -> None:
        """Moves the statistics towards the batch's moments (Finch 2009, section 9)."""
        mean, var, n = self._moments(batch)
        self.count += n
        self.num_batches += 1
        weight = (1 - self.decay) / (1 - self.decay ** int(self.num_batches))
        self._merge(mean, var, weight)

    def reset_running_stats(self) -> None:
        """As `BaseNorm.reset_running_stats`; the next batch counts as the first one."""
        super().reset_running_stats()
        self.num_batches.zero_()


def _drop_derived_statistics(
    module: nn.Module, state_dict: dict[str, th.Tensor], prefix: str, *unused: Any
) -> None:
    """Weights of imitation also hold the count, and what follows from `num_batches`."""
    assert isinstance(module, EMANorm)
    count = state_dict.pop(f"{prefix}count", None)
    if count is not None:
        module.count.copy_(count)
    state_dict.pop(f"{prefix}inv_learning_rate", None)


def norm_layers(module: nn.Module) -> list[BaseNorm]:
    """All `BaseNorm` layers inside `module`."""
    return [layer for layer in module.modules() if isinstance(layer, BaseNorm)]


@contextlib.contextmanager
def frozen_statistics(module: nn.Module) -> Iterator[None]:
    """Keeps the statistics of every `BaseNorm` inside `module` as they are."""
    layers = norm_layers(module)
    before = [layer.frozen for layer in layers]
    for layer in layers:
        layer.frozen = True
    try:
        yield
    finally:
        for layer, frozen in zip(layers, before, strict=True):
            layer.frozen = frozen


@contextlib.contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Puts `module` into evaluation mode, and back into the mode it was in."""
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)


def spectral_norms(module: nn.Module) -> list[nn.Module]:
    """The parametrisations that divide weights inside `module` by their largest singular value."""
    return [part for part in module.modules() if isinstance(part, _SpectralNorm)]


def iterate_spectral_norms(module: nn.Module) -> None:
    """Improves the estimates of largest singular values by one step of power iteration."""
    for layer in module.modules():
        if parametrize.is_parametrized(layer, "weight"):
            with th.no_grad():
                _ = layer.weight  # computed, with a step of power iteration, on access


@contextlib.contextmanager
def frozen_spectral_norms(module: nn.Module) -> Iterator[None]:
    """Keeps the estimates of largest singular values as they are; gradients still flow."""
    norms = spectral_norms(module)
    before = [norm.training for norm in norms]
    for norm in norms:
        norm.eval()
    try:
        yield
    finally:
        for norm, training in zip(norms, before, strict=True):
            norm.train(training)


class SqueezeLayer(nn.Module):
    """(batch, 1) to (batch,)."""

    def forward(self, x: th.Tensor) -> th.Tensor:
        """Drops the last axis, which must have length 1."""
        return x.squeeze(-1)


def build_mlp(
    in_size: int,
    hid_sizes: Iterable[int],
    out_size: int = 1,
    name: str | None = None,
    activation: type[nn.Module] | None = nn.ReLU,
    dropout_prob: float = 0.0,
    squeeze_output: bool = False,
    flatten_input: bool = False,
    normalize_input_layer: type[nn.Module] | None = None,
    spectral_norm: bool = False,
) -> nn.Sequential:
    """A multilayer perceptron.

    Args:
        in_size: Length of an input vector.
        hid_sizes: Widths of the hidden layers; empty gives a linear map.
        out_size: Length of an output vector.
        name: Prefix of the layers' names.
        activation: Class of the activation after each hidden layer; None: no activation.
        dropout_prob: Probability of dropping a hidden unit in training; 0 adds no layer.
        squeeze_output: Return (batch,) instead of (batch, 1); needs `out_size` 1.
        flatten_input: Flatten everything behind the batch axis first.
        normalize_input_layer: Class of a first layer that is built with `in_size`, for example
            `RunningNorm`; None: no such layer.
        spectral_norm: Divide the weights of every layer by their largest singular value, so that
            none of them is steeper than 1 (Miyato et al. 2018, section 2.1).

    Returns:
        A module from (batch, in_size) to (batch, out_size), or (batch,) when squeezed.

    Raises:
        InvalidValueError: `squeeze_output` with an `out_size` other than 1, or a
            `normalize_input_layer` that cannot be built with `in_size`.
    """
    if not isinstance(spectral_norm, bool):
        raise InvalidTypeError(
            f"spectral_norm must be true or false, got {spectral_norm!r}.", "Give one of the two."
        )
    _check_squeeze(squeeze_output, out_size)
    prefix = f"{name}_" if name else ""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if flatten_input:
        layers[f"{prefix}flatten"] = nn.Flatten()
    if normalize_input_layer is not None:
        layers[f"{prefix}normalize_input"] = _input_layer(normalize_input_layer, in_size)
    limited = _limited(spectral_norm)
    width = in_size
    for i, size in enumerate(hid_sizes):
        layers[f"{prefix}dense{i}"] = limited(nn.Linear(width, size))
        if activation is not None:
            layers[f"{prefix}act{i}"] = activation()
        if dropout_prob > 0:
            layers[f"{prefix}dropout{i}"] = nn.Dropout(dropout_prob)
        width = size
    layers[f"{prefix}dense_final"] = limited(nn.Linear(width, out_size))
    if squeeze_output:
        layers[f"{prefix}squeeze"] = SqueezeLayer()
    return nn.Sequential(layers)


def build_cnn(
    in_channels: int,
    hid_channels: Iterable[int],
    out_size: int = 1,
    name: str | None = None,
    activation: type[nn.Module] | None = nn.ReLU,
    kernel_size: int = 3,
    stride: int = 1,
    padding: int | str = "same",
    dropout_prob: float = 0.0,
    squeeze_output: bool = False,
    spectral_norm: bool = False,
) -> nn.Sequential:
    """Convolutions, the mean over all pixels, and a linear layer.

    Args:
        in_channels: Channels of the input image.
        hid_channels: Channels of the hidden convolutions.
        out_size: Length of an output vector.
        name: Prefix of the layers' names.
        activation: Class of the activation after each convolution; None: no activation.
        kernel_size: Side of the convolution kernels in pixels.
        stride: Step of the convolutions in pixels.
        padding: As in `torch.nn.Conv2d`; "same" becomes 0 with a stride above 1, a combination
            that torch does not offer.
        dropout_prob: Probability of dropping a unit in training; 0 adds no layer.
        squeeze_output: Return (batch,) instead of (batch, 1); needs `out_size` 1.
        spectral_norm: As in `build_mlp`; of a convolution it is the kernel as a matrix with one
            row per output channel.

    Returns:
        A module from (batch, in_channels, height, width) to (batch, out_size), or (batch,).

    Raises:
        InvalidValueError: `squeeze_output` with an `out_size` other than 1.
    """
    _check_squeeze(squeeze_output, out_size)
    prefix = f"{name}_" if name else ""
    if stride > 1 and padding == "same":
        padding = 0
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    limited = _limited(spectral_norm)
    channels = in_channels
    for i, hidden in enumerate(hid_channels):
        convolution = nn.Conv2d(channels, hidden, kernel_size, stride, padding)
        layers[f"{prefix}conv{i}"] = limited(convolution)
        if activation is not None:
            layers[f"{prefix}act{i}"] = activation()
        if dropout_prob > 0:
            layers[f"{prefix}dropout{i}"] = nn.Dropout(dropout_prob)
        channels = hidden
    layers[f"{prefix}avg_pool"] = nn.AdaptiveAvgPool2d(1)
    layers[f"{prefix}flatten"] = nn.Flatten()
    layers[f"{prefix}dense_final"] = limited(nn.Linear(channels, out_size))
    if squeeze_output:
        layers[f"{prefix}squeeze"] = SqueezeLayer()
    return nn.Sequential(layers)


def _input_layer(layer: type[nn.Module], in_size: int) -> nn.Module:
    try:
        return layer(in_size)
    except TypeError as error:
        raise InvalidValueError(
            f"normalize_input_layer={layer!r} cannot be built with a number of features alone: "
            f"{error}.",
            "Give a class such as RunningNorm or EMANorm, or a function of one number.",
        ) from error


def _limited(spectral_norm: bool) -> Callable[[nn.Module], nn.Module]:
    if not isinstance(spectral_norm, bool):
        raise InvalidTypeError(
            f"spectral_norm={spectral_norm!r} is neither true nor false.",
            "Set spectral_norm to true or false.",
        )
    return spectral_normalized if spectral_norm else _unchanged


def _unchanged(layer: nn.Module) -> nn.Module:
    return layer


def _check_squeeze(squeeze_output: bool, out_size: int) -> None:
    if squeeze_output and out_size != 1:
        raise InvalidValueError(f"squeeze_output needs out_size=1, not out_size={out_size}.")
