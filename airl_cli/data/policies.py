"""Everything that can act in a rollout, brought to one form."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import batch_space
from stable_baselines3.common.vec_env import VecEnv

from airl_cli.errors import InvalidTypeError, InvalidValueError

State = tuple[np.ndarray, ...] | None
PolicyFn = Callable[[Any, State, np.ndarray], tuple[np.ndarray, State]]
"""`(obs, state, episode_starts) -> (acts, state)`, all of them with one row per environment."""


class Predictor(Protocol):
    """What SB3 algorithms and policies have in common."""

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, Any]:
        """Actions, clipped to the action space, and the recurrent state."""
        ...


PolicyLike = Predictor | PolicyFn | None
"""An SB3 policy or algorithm, a callable, or None for uniformly random actions."""


def as_policy_fn(
    policy: PolicyLike, venv: VecEnv, rng: np.random.Generator, *, deterministic: bool = False
) -> PolicyFn:
    """A callable that acts like `policy`, with its actions checked and in the space's dtype.

    Raises:
        InvalidTypeError: If `policy` can neither predict nor be called.
        InvalidValueError: If `deterministic` is asked of a plain callable or of random actions.
    """
    if policy is not None and hasattr(policy, "predict"):
        return _checked(_from_predictor(policy, deterministic), venv)
    if policy is not None and not callable(policy):
        raise InvalidTypeError(
            f"a {type(policy).__name__} cannot be used as a policy.",
            "Give an SB3 policy or algorithm, a callable (obs, state, episode_starts) -> "
            "(acts, state), or None for random actions.",
        )
    if deterministic:
        kind = "random actions" if policy is None else "a plain callable"
        raise InvalidValueError(
            f"deterministic_policy=True has no meaning for {kind}.",
            "Leave it out, or give an SB3 policy.",
        )
    return _random(venv, rng) if policy is None else _checked(policy, venv)


def _from_predictor(policy: Predictor, deterministic: bool) -> PolicyFn:
    def act(obs: Any, state: State, episode_starts: np.ndarray) -> tuple[np.ndarray, State]:
        return policy.predict(
            obs, state=state, episode_start=episode_starts, deterministic=deterministic
        )

    return act


def _random(venv: VecEnv, rng: np.random.Generator) -> PolicyFn:
    if isinstance(venv.action_space, (spaces.Dict, spaces.Tuple)):
        raise InvalidTypeError(
            f"actions of type {type(venv.action_space).__name__} are not supported.",
            "Wrap the environment so that its actions are Box, Discrete, MultiDiscrete or "
            "MultiBinary.",
        )
    # One space for the whole batch: one draw a step, from a stream of its own.
    space = batch_space(copy.deepcopy(venv.action_space), venv.num_envs)
    space.seed(int(rng.integers(2**31)))
    return lambda obs, state, episode_starts: (space.sample(), None)


def _checked(policy: PolicyFn, venv: VecEnv) -> PolicyFn:
    shape = (venv.num_envs, *(venv.action_space.shape or ()))
    dtype = venv.action_space.dtype

    def act(obs: Any, state: State, episode_starts: np.ndarray) -> tuple[np.ndarray, State]:
        acts, state = policy(obs, state, episode_starts)
        acts = np.asarray(acts)
        if acts.shape != shape:
            raise InvalidValueError(
                f"the policy gave actions of shape {acts.shape} where the environment takes "
                f"{shape} (environments, then the action space).",
                "Use a policy made for this environment's action space.",
            )
        return acts.astype(dtype, copy=False), state

    return act
