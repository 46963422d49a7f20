"""A point mass that must find the way round a wall (Fu et al. 2018, section 7.2).

The dynamics are those of two sliding joints in MuJoCo, written out: damping is implicit in the
velocity, the position follows the new velocity. Contacts are rigid, inelastic and without friction:
the particle is put back onto the wall's surface and keeps the velocity along it.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, get_args

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from airl_cli.errors import InvalidValueError

Direction = Literal["left", "right"]

LOW, HIGH = -0.1, 0.6
"""The arena in x and in y: where the axes of its four sides are, metres."""
START, TARGET = (0.3, 0.0), (0.3, 0.5)
START_SPEED = 0.01
WALL_Y = 0.3
WALL_X = {"left": (LOW, 0.4), "right": (0.2, HIGH)}
"""From where to where the wall reaches; the way round is on the other side."""

PARTICLE_RADIUS, WALL_RADIUS = 0.03, 0.02
CLEARANCE = PARTICLE_RADIUS + WALL_RADIUS
MASS = 1000 * 4 / 3 * math.pi * PARTICLE_RADIUS**3
DAMPING = 1.0
TIME_STEP, FRAME_SKIP = 0.01, 5
CONTROL_COST = 0.001

_DECAY = MASS / (MASS + TIME_STEP * DAMPING)
_PUSH = TIME_STEP / (MASS + TIME_STEP * DAMPING)
# The particle's centre moves at most 0.01 m in a time step (1 m/s), a fifth of the clearance: it
# cannot get past a wall's axis in one.
_INNER_LOW, _INNER_HIGH = LOW + CLEARANCE, HIGH - CLEARANCE
_WALL_LOW, _WALL_HIGH = WALL_Y - CLEARANCE, WALL_Y + CLEARANCE
_ROUNDING = 1e-6


class PointMazeEnv(gym.Env[np.ndarray, np.ndarray]):
    """`airl/PointMaze-v0`: 100 steps of 0.05 s from below the wall to the target above it.

    Observation (3,) float32: the particle's position in metres; the third number is always 0.
    Action (2,) float32 in [-1, 1]: force along x and y in newton; what is outside is clipped.
    Reward: minus the distance to the target (metres) where the action is taken, minus 0.001 times
    the squared norm of the action.

    Args:
        direction: `"left"`: the wall comes from the left, the way round is on the right; `"right"`:
            the other way about.
        render_mode: None or `"rgb_array"`.

    Raises:
        InvalidValueError: If `direction` is neither.
    """

    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc]
        "render_modes": ["rgb_array"],
        "render_fps": round(1 / (TIME_STEP * FRAME_SKIP)),
    }
    observation_names = ("x (m)", "y (m)", "z (m)")

    def __init__(self, direction: Direction = "left", render_mode: str | None = None) -> None:
        if direction not in get_args(Direction):
            raise InvalidValueError(
                f"direction is {direction!r}.",
                "Set it to left or right: where the wall comes from.",
            )
        self.direction = direction
        self.render_mode = render_mode
        # The third number never varies, but bounds that coincide are no space: the particle's size.
        self.observation_space = spaces.Box(
            np.array([LOW, LOW, -PARTICLE_RADIUS], np.float32),
            np.array([HIGH, HIGH, PARTICLE_RADIUS], np.float32),
        )
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self._tip = max(WALL_X["left"]) if direction == "left" else min(WALL_X["right"])
        self._open_side = 1.0 if direction == "left" else -1.0  # where the way round is: the sign
        self._state = (*START, 0.0, 0.0)  # x, y and their velocities: plain floats are fastest
        self._background: np.ndarray | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Put the particle at the start, nearly at rest."""
        super().reset(seed=seed)
        self._state = (*START, *self.np_random.uniform(-START_SPEED, START_SPEED, 2).tolist())
        return self._observation(), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Push the particle for 0.05 s; an episode never terminates."""
        force_x, force_y = (min(max(float(force), -1.0), 1.0) for force in action)
        x, y, _, _ = self._state
        reward = -math.hypot(x - TARGET[0], y - TARGET[1])
        reward -= CONTROL_COST * (force_x * force_x + force_y * force_y)
        self._simulate(force_x, force_y)
        return self._observation(), reward, False, False, {}

    def _simulate(self, force_x: float, force_y: float) -> None:
        x, y, vx, vy = self._state
        push_x, push_y = _PUSH * force_x, _PUSH * force_y
        for _ in range(FRAME_SKIP):
            vx, vy = _DECAY * vx + push_x, _DECAY * vy + push_y
            x, y = x + TIME_STEP * vx, y + TIME_STEP * vy
            if not _INNER_LOW <= x <= _INNER_HIGH:
                x, vx = (_INNER_LOW if x < _INNER_LOW else _INNER_HIGH), 0.0
            if not _INNER_LOW <= y <= _INNER_HIGH:
                y, vy = (_INNER_LOW if y < _INNER_LOW else _INNER_HIGH), 0.0
            if _WALL_LOW < y < _WALL_HIGH:
                x, y, vx, vy = self._beside_wall(x, y, vx, vy)
        self._state = (x, y, vx, vy)

    def _beside_wall(
        self, x: float, y: float, vx: float, vy: float
    ) -> tuple[float, float, float, float]:
        """Position and velocity, out of the wall if they are in it: a bar with a round end."""
        ahead = (x - self._tip) * self._open_side
        if ahead <= 0.0:
            if y < WALL_Y:
                return x, _WALL_LOW, vx, min(vy, 0.0)
            return x, _WALL_HIGH, vx, max(vy, 0.0)
        above = y - WALL_Y
        distance = math.sqrt(ahead * ahead + above * above)
        if distance >= CLEARANCE:
            return x, y, vx, vy
        normal_x, normal_y = self._open_side * ahead / distance, above / distance
        depth = CLEARANCE - distance
        inward = min(vx * normal_x + vy * normal_y, 0.0)
        return (
            x + depth * normal_x,
            y + depth * normal_y,
            vx - inward * normal_x,
            vy - inward * normal_y,
        )

    def _observation(self) -> np.ndarray:
        return np.array((self._state[0], self._state[1], 0.0), np.float32)

    def true_reward(
        self, state: np.ndarray, action: np.ndarray, next_state: np.ndarray, done: np.ndarray
    ) -> np.ndarray:
        """The reward of any transitions, to compare a learned one with: (n,).

        Args:
            state: Observations (n, 3).
            action: Actions (n, 2).
            next_state: Unused.
            done: Unused.
        """
        distance = np.hypot(state[:, 0] - TARGET[0], state[:, 1] - TARGET[1])
        return -distance - CONTROL_COST * np.square(np.clip(action, -1, 1)).sum(1)

    def reachable(self, positions: np.ndarray) -> np.ndarray:
        """Whether the particle's centre can be at `positions` (n, 2 or more): booleans (n,).

        Observations, which are rounded to float32, are where the particle can be.
        """
        x, y = positions[:, 0], positions[:, 1]
        inside = np.minimum(x, y) >= _INNER_LOW - _ROUNDING
        inside &= np.maximum(x, y) <= _INNER_HIGH + _ROUNDING
        return inside & (_distance_to_wall(x, y, self.direction) >= CLEARANCE - _ROUNDING)

    def render(self) -> np.ndarray | None:
        """The maze from above, (400, 400, 3) uint8; None without a render mode."""
        if self.render_mode is None:
            return None
        x, y = _pixel_centres()
        if self._background is None:
            self._background = _draw_maze(x, y, self.direction)
        frame = self._background.copy()
        frame[np.hypot(x - self._state[0], y - self._state[1]) <= PARTICLE_RADIUS] = _BLUE
        return frame


_PIXELS = 400
_WHITE, _GREY, _GREEN, _BLUE = (255, 255, 255), (110, 110, 110), (40, 170, 70), (40, 80, 200)


def _pixel_centres() -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (1, 400) and (400, 1) of columns and rows; y grows upwards."""
    steps = np.linspace(LOW - WALL_RADIUS, HIGH + WALL_RADIUS, _PIXELS)
    return steps[None, :], steps[::-1, None]


def _draw_maze(x: np.ndarray, y: np.ndarray, direction: Direction) -> np.ndarray:
    frame = np.full((_PIXELS, _PIXELS, 3), _WHITE, np.uint8)
    sides = np.minimum(np.minimum(x, y) - LOW, HIGH - np.maximum(x, y)) <= WALL_RADIUS
    frame[sides | (_distance_to_wall(x, y, direction) <= WALL_RADIUS)] = _GREY
    frame[np.hypot(x - TARGET[0], y - TARGET[1]) <= PARTICLE_RADIUS] = _GREEN
    return frame


def _distance_to_wall(x: np.ndarray, y: np.ndarray, direction: Direction) -> np.ndarray:
    return np.hypot(x - np.clip(x, *WALL_X[direction]), y - WALL_Y)
