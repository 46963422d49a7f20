"""CartPole with a fixed horizon and physics to choose."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.envs.classic_control import CartPoleEnv

from airl_cli.limits import NonNegative, Positive, check_limits


class CartPolePhysicsEnv(CartPoleEnv):
    """`airl/CartPole-v0`: 500 steps of Gymnasium's CartPole, whatever happens to the pole.

    Observation (4,) float32: position (m), velocity, the pole's angle (rad, wrapped to
    [-pi, pi]), angular velocity. Action: push to the left (0) or to the right (1).
    Reward: 1 if the push leaves the pole within 12 degrees of upright and the cart within 2.4 m of
    the middle, else 0.
    With the default arguments it is, step for step, seals/CartPole-v0.

    Args:
        length: Half the pole's length, as Gymnasium counts it, in metres.
        masspole: The pole's mass in kilogram.
        force_mag: The push in newton.
        gravity: In metres per second squared; 0 is weightless.
        render_mode: As for Gymnasium's.

    Raises:
        InvalidValueError: If an argument has no physical meaning.
    """

    observation_names = (
        "position (m)",
        "velocity (m/s)",
        "angle (rad)",
        "angular velocity (rad/s)",
    )

    def __init__(
        self,
        length: Positive = 0.5,
        masspole: Positive = 0.1,
        force_mag: Positive = 10.0,
        gravity: NonNegative = 9.8,
        render_mode: str | None = None,
    ) -> None:
        check_limits(type(self), locals())
        super().__init__(render_mode=render_mode)
        self.length, self.masspole = float(length), float(masspole)
        self.force_mag, self.gravity = float(force_mag), float(gravity)
        self.total_mass = self.masspole + self.masscart
        self.polemass_length = self.masspole * self.length
        largest = np.finfo(np.float32).max
        high = np.array([largest, largest, np.pi, largest], np.float32)
        self.observation_space = spaces.Box(-high, high)

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Push the cart for 0.02 s; an episode never terminates."""
        self.steps_beyond_terminated = None  # Gymnasium warns about steps after the pole fell
        super().step(action)
        assert self.state is not None
        self.state[2] = (self.state[2] + np.pi) % (2 * np.pi) - np.pi
        x, _, theta, _ = self.state
        upright = abs(x) < self.x_threshold and abs(theta) < self.theta_threshold_radians
        return self.state.astype(np.float32), float(upright), False, False, {}

    def true_reward(
        self, state: np.ndarray, action: np.ndarray, next_state: np.ndarray, done: np.ndarray
    ) -> np.ndarray:
        """The reward of any transitions, to compare a learned one with.

        Only `next_state` (n, 4) counts; the rewards are (n,).
        """
        on_screen = np.abs(next_state[:, 0]) < self.x_threshold
        upright = np.abs(next_state[:, 2]) < self.theta_threshold_radians
        return (on_screen & upright).astype(np.float64)
