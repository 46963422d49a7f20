"""Specs of the environments whose dynamics can be shifted, with their physics as arguments.

A config names these by `_target_`, so that `env.direction=right` can be typed, and is checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from airl_cli.envs.make import EnvWrapper
from airl_cli.envs.point_maze import Direction
from airl_cli.envs.spec import EnvSpec


def point_maze(
    direction: Direction = "left",
    *,
    n_envs: int = 8,
    max_episode_steps: int | None = None,
    vectorization: Literal["dummy", "subproc"] = "dummy",
    wrappers: Sequence[EnvWrapper] = (),
) -> EnvSpec:
    """`airl/PointMaze-v0`, whose wall comes from the left or from the right.

    The other arguments are those of `EnvSpec`.
    """
    return EnvSpec(
        "airl/PointMaze-v0",
        n_envs=n_envs,
        max_episode_steps=max_episode_steps,
        kwargs={"direction": direction},
        vectorization=vectorization,
        wrappers=wrappers,
    )


def cart_pole(
    length: float = 0.5,
    masspole: float = 0.1,
    force_mag: float = 10.0,
    gravity: float = 9.8,
    *,
    n_envs: int = 8,
    max_episode_steps: int | None = None,
    vectorization: Literal["dummy", "subproc"] = "dummy",
    wrappers: Sequence[EnvWrapper] = (),
) -> EnvSpec:
    """`airl/CartPole-v0`: half the pole's length (m), its mass (kg), the push (N), gravity (m/s^2).

    The other arguments are those of `EnvSpec`.
    """
    physics: dict[str, Any] = {
        "length": length,
        "masspole": masspole,
        "force_mag": force_mag,
        "gravity": gravity,
    }
    return EnvSpec(
        "airl/CartPole-v0",
        n_envs=n_envs,
        max_episode_steps=max_episode_steps,
        # As floats, so that a length of 1 and one of 1.0 are the same task to the cached expert.
        kwargs={name: float(value) for name, value in physics.items()},
        vectorization=vectorization,
        wrappers=wrappers,
    )
