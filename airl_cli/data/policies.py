"""Everything that can act in a rollout, as one kind of function."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import batch_space
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.vec_env import VecEnv

from airl_cli.data.spaces import describe
from airl_cli.envs.masks import METHOD, masks_of, valid_sample
from airl_cli.errors import InvalidTypeError, InvalidValueError

State = tuple[np.ndarray, ...] | None
PolicyCallable = Callable[[Any, State, np.ndarray], tuple[np.ndarray, State]]
"""`(obs, states, episode_starts) -> (acts, states)`, all of them with one row per environment."""


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


AnyPolicy = Predictor | PolicyCallable | None
"""An SB3 policy or algorithm, a callable, or None for uniformly random actions."""


def policy_to_callable(
    policy: AnyPolicy,
    venv: VecEnv,
    deterministic_policy: bool = False,
    *,
    rng: np.random.Generator | None = None,
) -> PolicyCallable:
    """A function that acts like `policy`, with its actions checked and in the space's dtype.

    Args:
        policy: An SB3 algorithm or policy (anything with SB3's `predict`), a callable
            `(obs, states, episode_starts) -> (acts, states)`, or None for uniformly random
            actions. Sampled actions of a gSDE policy are independent draws from pi(a|s): its
            noise is drawn anew at every step.
        venv: Where it acts.
        deterministic_policy: Take the policy's mode instead of sampling from it.
        rng: Seeds the random actions; None draws them from `venv.action_space` itself.

    Raises:
        InvalidTypeError: If `policy` can neither predict nor be called.
        InvalidValueError: If its spaces are not those of `venv`, or `deterministic_policy` is
            asked of a plain callable or of random actions.
    """
    if policy is not None and hasattr(policy, "predict"):
        check_policy_spaces(policy, venv)
        return _checked(_from_predictor(policy, venv, deterministic_policy), venv)
    if policy is not None and not callable(policy):
        raise InvalidTypeError(
            f"a {type(policy).__name__} cannot be used as a policy.",
            "Give an SB3 policy or algorithm, a callable (obs, states, episode_starts) -> "
            "(acts, states), or None for random actions.",
        )
    if deterministic_policy:
        kind = "random actions" if policy is None else "a plain callable"
        raise InvalidValueError(
            f"deterministic_policy=True has no meaning for {kind}.",
            "Leave it out, or give an SB3 policy.",
        )
    return _random(venv, rng) if policy is None else _checked(policy, venv)


def check_policy_spaces(policy: Predictor, venv: VecEnv) -> None:
    """Refuses an SB3 policy that was made for other spaces; only bounds may differ.

    Raises:
        InvalidValueError: Names both spaces.
    """
    inner = _sb3_policy(policy)
    if inner is None:
        return
    for name in ("observation_space", "action_space"):
        own, given = getattr(inner, name), getattr(venv, name)
        if not _fits(own, given):
            raise InvalidValueError(
                f"the policy's {name.replace('_', ' ')} is {describe(own)}; the environment's is "
                f"{describe(given)}.",
                "Use a policy made for this environment, or wrap the environment alike.",
            )


def _sb3_policy(policy: Any) -> BasePolicy | None:
    """The SB3 policy inside an algorithm or a wrapper that holds one as `policy`."""
    while policy is not None and not isinstance(policy, BasePolicy):
        policy = getattr(policy, "policy", None)
    return policy


def _fits(own: spaces.Space, given: spaces.Space) -> bool:
    if type(own) is not type(given):
        return False
    if isinstance(own, spaces.Box) and isinstance(given, spaces.Box):
        if own.dtype.kind != given.dtype.kind:
            return False
        # SB3 shows image policies the channels first, whatever the environment does.
        channels_first = (*given.shape[2:], *given.shape[:2])
        return own.shape in (given.shape, channels_first if is_image_space(given) else given.shape)
    if isinstance(own, spaces.Discrete) and isinstance(given, spaces.Discrete):
        return own.n == given.n
    if isinstance(own, spaces.MultiDiscrete) and isinstance(given, spaces.MultiDiscrete):
        return np.array_equal(own.nvec, given.nvec)
    if isinstance(own, spaces.Dict) and isinstance(given, spaces.Dict):
        return own.keys() == given.keys() and all(_fits(own[key], given[key]) for key in own)
    return own.shape == given.shape


def redraw_noise(policy: Predictor, n_envs: int) -> None:
    """Draws the exploration noise of a gSDE policy anew, of its present standard deviation.

    Between such draws gSDE's actions are no independent samples (Raffin et al. 2022, arXiv
    2005.05719). Other policies are left alone.

    Args:
        policy: An SB3 policy, or what holds one as `policy`.
        n_envs: Observations that the policy is shown at a time.
    """
    inner: Any = _sb3_policy(policy)
    actor = inner if hasattr(inner, "use_sde") else getattr(inner, "actor", None)
    if getattr(actor, "use_sde", False):
        inner.reset_noise(n_envs)


def _from_predictor(policy: Predictor, venv: VecEnv, deterministic: bool) -> PolicyCallable:
    masked = takes_masks(policy)

    def act(obs: Any, states: State, episode_starts: np.ndarray) -> tuple[np.ndarray, State]:
        if not deterministic:
            redraw_noise(policy, len(episode_starts))
        masks = masks_of(venv) if masked else None
        given = {} if masks is None else {"action_masks": np.stack(masks)}
        return policy.predict(
            obs, state=states, episode_start=episode_starts, deterministic=deterministic, **given
        )

    return act


def takes_masks(policy: Any) -> bool:
    """Whether it is a policy of invalid action masking (sb3-contrib's MaskablePPO)."""
    inner = _sb3_policy(policy)
    return inner is not None and "action_masks" in inspect.signature(inner.predict).parameters


def _random(venv: VecEnv, rng: np.random.Generator | None) -> PolicyCallable:
    if isinstance(venv.action_space, (spaces.Dict, spaces.Tuple)):
        raise InvalidTypeError(
            f"actions of type {type(venv.action_space).__name__} are not supported.",
            "Wrap the environment so that its actions are Box, Discrete, MultiDiscrete or "
            "MultiBinary.",
        )
    if venv.has_attr(METHOD):
        return _random_valid(venv, rng)
    if rng is None:
        one = venv.action_space
        return lambda obs, states, starts: (np.stack([one.sample() for _ in starts]), None)
    # One space for the whole batch: one draw a step, from a stream of its own.
    space = batch_space(copy.deepcopy(venv.action_space), venv.num_envs)
    space.seed(int(rng.integers(2**31)))
    return lambda obs, states, episode_starts: (space.sample(), None)


def _random_valid(venv: VecEnv, rng: np.random.Generator | None) -> PolicyCallable:
    space = venv.action_space
    if rng is not None:
        space = copy.deepcopy(space)
        space.seed(int(rng.integers(2**31)))

    def act(obs: Any, states: State, episode_starts: np.ndarray) -> tuple[np.ndarray, State]:
        return np.stack([valid_sample(space, masks) for masks in masks_of(venv) or ()]), None

    return act


def _checked(policy: PolicyCallable, venv: VecEnv) -> PolicyCallable:
    shape = (venv.num_envs, *(venv.action_space.shape or ()))
    dtype = venv.action_space.dtype

    def act(obs: Any, states: State, episode_starts: np.ndarray) -> tuple[np.ndarray, State]:
        acts, states = policy(obs, states, episode_starts)
        acts = np.asarray(acts)
        if acts.shape != shape:
            raise InvalidValueError(
                f"the policy gave actions of shape {acts.shape} where the environment takes "
                f"{shape} (environments, then the action space).",
                "Use a policy made for this environment's action space.",
            )
        return acts.astype(dtype, copy=False), states

    return act
