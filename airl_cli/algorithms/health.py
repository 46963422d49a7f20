"""The NaN/inf guard, and the weights to return to."""

from __future__ import annotations

import math

import numpy as np
import torch as th
from torch import nn

from airl_cli.errors import NonFiniteError


def require_finite(
    quantity: str,
    value: float | np.ndarray | th.Tensor | nn.Module | None,
    cause: Exception | None = None,
    *,
    kind: type[NonFiniteError] = NonFiniteError,
) -> None:
    """Raises if a number, array or module's parameters hold NaN or infinity.

    Args:
        quantity: What it is, for the message.
        value: What to look at; None passes.
        cause: An error that this one explains.
        kind: Of the error.

    Raises:
        NonFiniteError: Naming the quantity.
    """
    if value is None or _is_finite(value):
        return
    raise kind(
        f"NaN or infinity in the {quantity}.",
        "The weights from before this round are kept. Try a lower learning rate "
        "(trainer.disc_opt_kwargs.lr, generator.learning_rate), or look at the environment.",
    ) from cause


def _is_finite(value: float | np.ndarray | th.Tensor | nn.Module) -> bool:
    if isinstance(value, nn.Module):
        with th.no_grad():
            sums = [parameter.sum() for parameter in value.parameters()]
            return not sums or math.isfinite(th.stack(sums).sum().item())
    if isinstance(value, th.Tensor):
        return bool(th.isfinite(value).all())
    return bool(np.isfinite(value).all())


class Weights:
    """A copy of the weights of some modules.

    Args:
        **modules: What to copy.
    """

    def __init__(self, **modules: nn.Module) -> None:
        self._modules = modules
        self._copies = {
            name: {key: tensor.clone() for key, tensor in module.state_dict().items()}
            for name, module in modules.items()
        }

    def __getitem__(self, name: str) -> dict[str, th.Tensor]:
        """The copied state dict of a module."""
        return self._copies[name]

    def __contains__(self, name: str) -> bool:
        return name in self._copies

    def restore(self) -> None:
        """Restores the modules to the copied weights."""
        for name, module in self._modules.items():
            module.load_state_dict(self._copies[name])
