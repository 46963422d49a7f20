"""Do an environment's own dynamics lead from a recorded state to the next one?

That needs an environment which can be put into the state that an observation shows: MuJoCo
environments, Gymnasium's classic control, and any whose innermost environment has a method
`reset_to_observation(obs)`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from airl_cli.envs.observations import Float32Observation
from airl_cli.envs.registry import find_spec
from airl_cli.envs.spec import EnvSpec

_TOLERANCE = 0.02  # of the usual change of an observation's element within a step
_ROUNDING = 1e-4  # of its size: recordings are often float32

SetState = Callable[[np.ndarray], None]


@dataclasses.dataclass(frozen=True)
class Replay:
    """What came of putting the environment into recorded states.

    Attributes:
        tried: How many transitions.
        fraction: Of those, how many led to the recorded next observation; NaN for none.
        reason: Why none could be tried; empty otherwise.
        terminated: Whether the environment says of each that it leads to a terminal state (tried,).
    """

    tried: int
    fraction: float
    reason: str = ""
    terminated: tuple[bool, ...] = ()


def time_limit(env: EnvSpec) -> int | None:
    """Steps after which the environment ends an episode; None where it has no limit."""
    if env.max_episode_steps is not None:
        return env.max_episode_steps
    return find_spec(env.id, env.import_module).max_episode_steps


def replay(env: EnvSpec, obs: np.ndarray, acts: np.ndarray, next_obs: np.ndarray) -> Replay:
    """Put the environment into each state, take the action, compare what comes next.

    Stochastic environments reproduce nothing, rightly; what differs in a few elements only, such
    as a clock, counts as not reproduced.

    Args:
        env: The environment.
        obs: Observations (n, *observation shape).
        acts: Actions (n, *action shape).
        next_obs: Recorded observations after them (n, *observation shape).
    """
    venv = dataclasses.replace(env, vectorization="dummy").make(0, n_envs=1)
    try:
        outer: gym.Env[Any, Any] = venv.envs[0]  # type: ignore[attr-defined]
        set_state = _state_setter(outer)
        if set_state is None:
            return Replay(0, float("nan"), f"{env.id} cannot be put into a recorded state")
        outer.reset(seed=0)
        if not _shows(outer.unwrapped, set_state, obs[0]):
            return Replay(0, float("nan"), f"observations of {env.id} do not show its whole state")
        predicted = np.empty(next_obs.shape, dtype=np.float64)
        terminated: list[bool] = []
        for row in range(len(obs)):
            outer.reset()
            set_state(obs[row])
            predicted[row], _, ended, _, _ = outer.step(acts[row])
            terminated.append(bool(ended))
    finally:
        venv.close()
    share = float(np.mean(_same(obs, next_obs, predicted)))
    return Replay(len(obs), share, terminated=tuple(terminated))


def _same(obs: np.ndarray, next_obs: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    change = next_obs.astype(np.float64) - obs
    usual = np.sqrt(np.mean(np.square(change), axis=0))
    allowed = _TOLERANCE * usual + _ROUNDING * (1 + np.abs(next_obs))
    error = np.abs(predicted - next_obs)
    return np.asarray((error <= allowed).reshape(len(obs), -1).all(axis=1))


def _state_setter(env: gym.Env[Any, Any]) -> SetState | None:
    inner: Any = env.unwrapped
    wrapper = env
    while isinstance(wrapper, gym.Wrapper):
        is_cast = isinstance(wrapper, Float32Observation)
        if isinstance(wrapper, gym.ObservationWrapper) and not is_cast:
            return None  # what it makes of a state cannot be undone
        wrapper = wrapper.env
    if env.observation_space.shape != inner.observation_space.shape:
        return None
    if hasattr(inner, "reset_to_observation"):
        found: SetState = inner.reset_to_observation
        return found
    if hasattr(inner, "set_state") and hasattr(inner, "model"):
        return _mujoco_setter(inner)
    return _classic_setter(inner)


def _mujoco_setter(inner: Any) -> SetState | None:
    n_position, n_velocity = int(inner.model.nq), int(inner.model.nv)
    size = int(np.prod(inner.observation_space.shape))
    hidden = n_position + n_velocity - size  # leading positions that observations leave out
    if not 0 <= hidden <= 2:
        return None

    def set_state(obs: np.ndarray) -> None:
        state = np.concatenate([np.zeros(hidden), np.asarray(obs, dtype=np.float64).ravel()])
        inner.set_state(state[:n_position], state[n_position:])

    return set_state


def _classic_setter(inner: Any) -> SetState | None:
    inner.reset(seed=0)
    state = getattr(inner, "state", None)
    if state is None or not np.issubdtype(np.asarray(state).dtype, np.floating):
        return None
    sizes = int(np.prod(inner.observation_space.shape)), int(np.asarray(state).size)

    def set_state(obs: np.ndarray) -> None:
        values = np.asarray(obs, dtype=np.float64).ravel()
        if sizes == (3, 2):  # Pendulum: cosine, sine, velocity
            values = np.array([np.arctan2(values[1], values[0]), values[2]])
        elif sizes == (6, 4):  # Acrobot: cosine and sine of two angles, two velocities
            angles = np.arctan2(values[[1, 3]], values[[0, 2]])
            values = np.concatenate([angles, values[4:]])
        inner.state = values

    return set_state if sizes[0] == sizes[1] or sizes in ((3, 2), (6, 4)) else None


def _shows(inner: Any, set_state: SetState, obs: np.ndarray) -> bool:
    """Whether the environment, put into a state, gives back the observation of it."""
    try:
        set_state(obs)
        for name in ("_get_obs", "_get_ob"):
            if hasattr(inner, name):
                seen = np.asarray(getattr(inner, name)(), dtype=np.float64)
                return seen.shape == obs.shape and bool(np.allclose(seen, obs, atol=1e-3))
    except (TypeError, ValueError, AssertionError, AttributeError, IndexError):
        return False
    return True
