"""Is an environment fit for training? What is wrong is refused before anything is trained."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import Space, spaces

from airl_cli.envs.independence import check_independent
from airl_cli.envs.masks import random_action
from airl_cli.envs.native import REMEDY as NATIVE_REMEDY
from airl_cli.envs.spaces import check_policy_spaces
from airl_cli.envs.spec import EnvSpec
from airl_cli.envs.wrappers import failed, time_limit
from airl_cli.errors import AirlError, InvalidTypeError, InvalidValueError, printable

MAX_STEPS_WITHOUT_END = 10_000
_MAX_SECONDS_WITHOUT_END = 20.0
_STEPS = 100  # of an environment with a time limit: random episodes follow in any case
_TOLERANCE = 1e-4  # of a bound's size: rounding to float32 and back
_NEW_API = (
    "Follow Gymnasium's API: reset(*, seed=None, options=None) returns (observation, info), step "
    "returns (observation, reward, terminated, truncated, info); shimmy.GymV21CompatibilityV0 "
    "wraps environments of the old gym."
)


@dataclasses.dataclass(frozen=True)
class Probe:
    """What some steps of random actions in one copy showed.

    Attributes:
        limit: Time limit in steps; None where there is none.
        steps: Steps that were taken.
        seconds: Wall-clock time of them.
        lengths: Steps of the episodes that ended.
    """

    limit: int | None
    steps: int
    seconds: float
    lengths: tuple[int, ...]


def check_fixed_horizon(
    lengths: Iterable[float], *, allow_variable_horizon: bool, what: str = "episodes"
) -> None:
    """Refuse episodes of different length, unless they are explicitly allowed.

    When an episode's end depends on what the policy does, a reward that is merely positive
    everywhere makes it live on, and a negative one makes it die, whatever was learned: the end of
    the episode carries information about the true reward, and scores look better (or worse) than
    the learned reward deserves (Kostrikov et al. 2019, arXiv 1809.02925, section 4.1).

    Args:
        lengths: Episode lengths in steps; fewer than two show nothing.
        allow_variable_horizon: Accept them.
        what: What the lengths belong to, for the message, such as `"the expert's episodes"`.

    Raises:
        InvalidValueError: If lengths differ.
    """
    seen = set(map(int, lengths))
    if allow_variable_horizon or len(seen) < 2:
        return
    raise InvalidValueError(
        f"{what} differ in length (from {min(seen)} to {max(seen)} steps): such an environment "
        "tells the learner about the true reward by ending episodes, because any positive learned "
        "reward rewards staying alive (Kostrikov et al. 2019), so results mislead.",
        "Use an environment with a fixed horizon (those of seals are made for this), or accept it "
        "with trainer.allow_variable_horizon=true.",
    )


def check_environment(env: EnvSpec) -> Probe:
    """Takes some steps in one copy; refuses an environment in which training would go wrong.

    Raises:
        NotFoundError: If the environment is not registered or needs what is not installed.
        InvalidTypeError: If a space is not supported.
        InvalidValueError: If the environment does not follow Gymnasium's API, raises, gives
            rewards or observations that are no finite numbers or do not fit its spaces, if no
            episode ends, or if `env.vectorization` is not possible.
    """
    with closing(dataclasses.replace(env, vectorization="dummy").make(0, n_envs=1)) as venv:
        check_policy_spaces(venv.observation_space, venv.action_space, env.id)
        outer: gym.Env[Any, Any] = venv.envs[0]  # type: ignore[attr-defined]
        _check_api(outer.unwrapped, env.id)
        probe = _probe(outer, env.id)
        spaces_of_one = venv.observation_space, venv.action_space
    check_vectorization = _OF_VECTORIZATIONS.get(env.vectorization)
    if check_vectorization is not None:
        check_vectorization(env, spaces_of_one)
    return probe


def _check_native(env: EnvSpec, spaces_of_one: tuple[Space[Any], Space[Any]]) -> None:
    found = env.spaces()
    if found != spaces_of_one:
        raise InvalidValueError(
            f"env.vectorization=native: {env.id} has other spaces vectorised than alone: "
            f"{printable(str(found), 120)} instead of {printable(str(spaces_of_one), 120)}.",
            NATIVE_REMEDY,
        )


_OF_VECTORIZATIONS: Mapping[str, Callable[[EnvSpec, tuple[Space[Any], Space[Any]]], None]] = {
    "threads": lambda env, _: check_independent(env),
    "native": _check_native,
}


def _check_api(inner: gym.Env[Any, Any], name: str) -> None:
    """Reset and step of the innermost environment, before wrappers unpack what they return."""
    returned = _called(name, "reset", lambda: inner.reset(seed=0))
    if not isinstance(returned, tuple) or len(returned) != 2 or not isinstance(returned[1], dict):
        raise InvalidTypeError(
            f"{name}: reset returned {_kind(returned)} instead of (observation, info).", _NEW_API
        )
    check_observation(inner.observation_space, returned[0], f"{name}: reset")
    action = random_action(inner)
    returned = _called(name, "step", lambda: inner.step(action))
    if not isinstance(returned, tuple) or len(returned) != 5 or not isinstance(returned[4], dict):
        raise InvalidTypeError(
            f"{name}: step returned {_kind(returned)} instead of (observation, reward, "
            "terminated, truncated, info).",
            _NEW_API,
        )
    for what, value in zip(("terminated", "truncated"), returned[2:4], strict=True):
        if np.ndim(value) != 0 or value not in (False, True):
            raise InvalidTypeError(
                f"{name}: step returned {what}={printable(repr(value), 60)}, not a bool.", _NEW_API
            )
    _check_reward(returned[1], name)


def _called(name: str, method: str, call: Any) -> Any:
    try:
        return call()
    except AirlError:
        raise
    except Exception as error:
        if isinstance(error, TypeError) and method == "reset" and "seed" in str(error):
            raise InvalidTypeError(f"{name}: reset takes no seed: {error}.", _NEW_API) from error
        raise failed(name, method, error) from error


def _kind(value: Any) -> str:
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}: ({', '.join(type(part).__name__ for part in value)})"
    return f"a {type(value).__name__}"


def _check_reward(reward: Any, name: str) -> None:
    if np.ndim(reward) != 0 or isinstance(reward, (str, bytes, type(None))):
        raise InvalidTypeError(
            f"{name}: step returned the reward {printable(repr(reward), 60)}, not one number.",
            "Return a float: one reward for each step.",
        )
    if not math.isfinite(reward):
        raise InvalidValueError(
            f"{name}: step returned the reward {reward}.", "Correct the environment's reward."
        )


def _probe(outer: gym.Env[Any, Any], name: str) -> Probe:
    limit = time_limit(outer)
    outer.action_space.seed(0)
    lengths: list[int] = []
    start, length, steps = time.perf_counter(), 0, 0
    observation, _ = outer.reset(seed=0)
    check_observation(outer.observation_space, observation, f"{name}: reset")
    while steps < _STEPS or (limit is None and not lengths):
        observation, reward, terminated, truncated, _ = outer.step(random_action(outer))
        check_observation(outer.observation_space, observation, f"{name}: step")
        _check_reward(reward, name)
        steps, length = steps + 1, length + 1
        if terminated or truncated:
            lengths.append(length)
            length = 0
            outer.reset()
        seconds = time.perf_counter() - start
        if (
            not lengths
            and limit is None
            and (steps >= MAX_STEPS_WITHOUT_END or seconds > _MAX_SECONDS_WITHOUT_END)
        ):
            raise InvalidValueError(
                f"{name} has no time limit, and no episode ended within {steps:,} steps of random "
                "actions.",
                "Give it one: env.max_episode_steps=1000, or max_episode_steps where it is "
                "registered.",
            )
    return Probe(limit, steps, time.perf_counter() - start, tuple(lengths))


def check_observation(space: Space[Any], observation: Any, what: str) -> None:
    """Refuses an observation that is not in its space, beyond rounding.

    Args:
        space: Of the observation.
        observation: As the environment returned it.
        what: Where it came from, for the message.

    Raises:
        InvalidValueError: Naming shape or values.
    """
    if isinstance(space, spaces.Dict):
        if not isinstance(observation, dict) or observation.keys() != space.spaces.keys():
            raise InvalidValueError(
                f"{what} returned an observation that is not a dict of {list(space.spaces)}.",
                "Return what observation_space declares.",
            )
        for key, part in space.spaces.items():
            check_observation(part, observation[key], f"{what}, [{key!r}],")
    elif isinstance(space, spaces.Tuple):
        if not isinstance(observation, tuple) or len(observation) != len(space.spaces):
            raise InvalidValueError(
                f"{what} returned an observation that is not a tuple of {len(space.spaces)}.",
                "Return what observation_space declares.",
            )
        for part, value in zip(space.spaces, observation, strict=True):
            check_observation(part, value, what)
    else:
        _check_array(space, observation, what)


def _check_array(space: Space[Any], observation: Any, what: str) -> None:
    try:
        values = np.asarray(observation)
        numbers = values.astype(np.float64)
    except (TypeError, ValueError):
        numbers = values = np.empty(0, dtype=object)
    if values.dtype == object or values.shape != (space.shape or ()):
        raise InvalidValueError(
            f"{what} returned an observation of shape {getattr(observation, 'shape', None)} "
            f"({type(observation).__name__}), where observation_space is {printable(str(space))}.",
            "Make observation_space and the observations agree.",
        )
    if not np.isfinite(numbers).all():
        raise InvalidValueError(
            f"{what} returned an observation that is not finite: {printable(str(values), 120)}.",
            "Correct the environment, or cap what may grow without bound.",
        )
    low, high = _bounds(space)
    beyond = np.maximum(low - numbers, numbers - high)
    allowed = _TOLERANCE * (1 + np.where(numbers < low, np.abs(low), np.abs(high)))
    if np.any(beyond > np.where(np.isfinite(allowed), allowed, 0)):
        worst = np.unravel_index(np.argmax(beyond), beyond.shape)
        index = f"[{', '.join(map(str, worst))}]" if worst else ""
        bounds = (
            np.broadcast_to(low, numbers.shape)[worst],
            np.broadcast_to(high, numbers.shape)[worst],
        )
        raise InvalidValueError(
            f"{what} returned observation{index}={numbers[worst]:g}, outside its space: from "
            f"{bounds[0]:g} to {bounds[1]:g}.",
            "Correct observation_space, or clip the observation.",
        )


def _bounds(space: Space[Any]) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(space, spaces.Box):
        return space.low.astype(np.float64), space.high.astype(np.float64)
    if isinstance(space, spaces.Discrete):
        return np.asarray(space.start, float), np.asarray(space.start + space.n - 1, float)
    if isinstance(space, spaces.MultiDiscrete):
        return np.asarray(space.start, float), np.asarray(space.start + space.nvec - 1, float)
    return np.asarray(0.0), np.asarray(1.0)
