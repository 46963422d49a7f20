"""Specs of the environments whose dynamics can be shifted, with their physics as arguments.

A config names these by `_target_`, so that `env.direction=right` is a key that is checked.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from airl_cli.envs.point_maze import Direction
from airl_cli.envs.spec import EnvSpec
from airl_cli.limits import NonNegative, Positive


@dataclasses.dataclass(frozen=True, kw_only=True)
class _PhysicsSpec(EnvSpec):
    """A spec whose environment's arguments are its own fields."""

    id: str = dataclasses.field(init=False)
    kwargs: Mapping[str, Any] | None = dataclasses.field(init=False)
    import_module: str | None = dataclasses.field(default=None, init=False)

    def __post_init__(self) -> None:
        shared = {field.name for field in dataclasses.fields(EnvSpec)}
        own = [f.name for f in dataclasses.fields(self) if f.name not in shared]
        object.__setattr__(self, "kwargs", {name: self._argument(name) for name in own})
        super().__post_init__()

    def _argument(self, name: str) -> Any:
        # As floats, so that a length of 1 and one of 1.0 are the same task to the cached expert.
        value = getattr(self, name)
        return float(value) if isinstance(value, int) else value


@dataclasses.dataclass(frozen=True)
class PointMazeSpec(_PhysicsSpec):
    """`airl/PointMaze-v0`, whose wall comes from the left or from the right.

    The other arguments are those of `EnvSpec`.
    """

    id: str = dataclasses.field(default="airl/PointMaze-v0", init=False)
    direction: Direction = "left"


@dataclasses.dataclass(frozen=True)
class CartPoleSpec(_PhysicsSpec):
    """`airl/CartPole-v0`: half the pole's length (m), its mass (kg), the push (N), gravity (m/s^2).

    The other arguments are those of `EnvSpec`.
    """

    id: str = dataclasses.field(default="airl/CartPole-v0", init=False)
    length: Positive = 0.5
    masspole: Positive = 0.1
    force_mag: Positive = 10.0
    gravity: NonNegative = 9.8


@dataclasses.dataclass(frozen=True)
class PendulumSpec(_PhysicsSpec):
    """`airl/Pendulum-v0`: the rod's mass (kg) and length (m), gravity (m/s^2).

    The other arguments are those of `EnvSpec`.
    """

    id: str = dataclasses.field(default="airl/Pendulum-v0", init=False)
    mass: Positive = 1.0
    length: Positive = 1.0
    gravity: NonNegative = 10.0


@dataclasses.dataclass(frozen=True)
class HalfCheetahSpec(_PhysicsSpec):
    """`airl/HalfCheetah-v0`: a leg whose motors are weak, gravity (m/s^2).

    The other arguments are those of `EnvSpec`.
    """

    id: str = dataclasses.field(default="airl/HalfCheetah-v0", init=False)
    crippled_leg: Literal["none", "front", "back"] = "none"
    gravity: NonNegative = 9.81


@dataclasses.dataclass(frozen=True)
class HopperSpec(_PhysicsSpec):
    """`airl/Hopper-v0`: the thigh's length (m), gravity (m/s^2).

    The other arguments are those of `EnvSpec`.
    """

    id: str = dataclasses.field(default="airl/Hopper-v0", init=False)
    thigh_length: Positive = 0.45
    gravity: NonNegative = 9.81


# The names in configs, those of earlier runs included.
point_maze = PointMazeSpec
cart_pole = CartPoleSpec
pendulum = PendulumSpec
half_cheetah = HalfCheetahSpec
hopper = HopperSpec
