"""The discriminator's optimiser: the base reward may have settings of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch as th

from airl_cli.rewards.base import RewardNet, unwrapped

_ADAM_FORMS = frozenset(("fused", "foreach", "differentiable", "capturable"))


def parameter_groups(net: RewardNet, base_kwargs: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Parameters of the base net and of what is around it, for an optimiser.

    Args:
        net: Perhaps shaped.
        base_kwargs: Optimiser settings of the base net alone, such as `weight_decay` and `lr`.
    """
    base = list(unwrapped(net).parameters())
    of_base = {id(parameter) for parameter in base}
    rest = [parameter for parameter in net.parameters() if id(parameter) not in of_base]
    groups = [{"params": base, **(base_kwargs or {})}]
    return groups + ([{"params": rest}] if rest else [])


def make_optimizer(
    cls: type[th.optim.Optimizer], groups: list[dict[str, Any]], kwargs: Mapping[str, Any]
) -> th.optim.Optimizer:
    """The optimiser, Adam in its fused form unless another one is asked for.

    That is the same rule in one kernel: for nets of a few layers a third of the time.

    Args:
        cls: Its class, or what makes one.
        groups: Of `parameter_groups`.
        kwargs: Of the user; they win.
    """
    plain_adam = cls in (th.optim.Adam, th.optim.AdamW) or getattr(cls, "func", None) in (
        th.optim.Adam,
        th.optim.AdamW,
    )
    said = {*kwargs, *getattr(cls, "keywords", {}), *(key for group in groups for key in group)}
    if plain_adam and said.isdisjoint(_ADAM_FORMS):
        kwargs = {**kwargs, "fused": True}
    return cls(groups, **kwargs)
