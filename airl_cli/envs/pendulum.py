"""The pendulum with physics to choose."""

from __future__ import annotations

import numpy as np
from gymnasium.envs.classic_control import PendulumEnv
from gymnasium.envs.classic_control.pendulum import angle_normalize

from airl_cli.limits import NonNegative, Positive, check_limits


class PendulumPhysicsEnv(PendulumEnv):
    """`airl/Pendulum-v0`: 200 steps of Gymnasium's swing-up, with another rod or gravity.

    Observation (3,) float32: cosine and sine of the angle, angular velocity (rad/s). Action (1,):
    torque (N m) in [-2, 2]. Reward: minus the cost of angle, velocity and torque before the step.
    With the default arguments it is, step for step, Pendulum-v1.

    Args:
        mass: Of the rod, in kilogram.
        length: Of the rod, in metres.
        gravity: In metres per second squared; 0 is weightless.
        render_mode: As for Gymnasium's.

    Raises:
        InvalidValueError: If an argument has no physical meaning.
    """

    observation_names = ("cosine", "sine", "angular velocity (rad/s)")

    def __init__(
        self,
        mass: Positive = 1.0,
        length: Positive = 1.0,
        gravity: NonNegative = 10.0,
        render_mode: str | None = None,
    ) -> None:
        check_limits(type(self), locals())
        super().__init__(render_mode=render_mode, g=float(gravity))
        self.m, self.l = float(mass), float(length)

    def true_reward(
        self, state: np.ndarray, action: np.ndarray, next_state: np.ndarray, done: np.ndarray
    ) -> np.ndarray:
        """The reward of any transitions, to compare a learned one with.

        Only `state` (n, 3) and `action` (n, 1) count; the rewards are (n,).
        """
        angle = angle_normalize(np.arctan2(state[:, 1], state[:, 0]).astype(np.float64))
        torque = np.clip(action[:, 0], -self.max_torque, self.max_torque)
        return np.asarray(-(angle**2 + 0.1 * state[:, 2] ** 2 + 0.001 * torque**2))
