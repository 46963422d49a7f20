"""What an environment is like, and what of it deserves attention before anything is trained."""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env as check_with_gymnasium
from stable_baselines3.common.env_checker import check_env as check_with_sb3

from airl_cli.envs.check import check_environment
from airl_cli.envs.dynamics import replay
from airl_cli.envs.masks import random_action
from airl_cli.envs.spec import EnvSpec
from airl_cli.envs.speed import ways_of_stepping
from airl_cli.envs.wrappers import RepeatableEpisodes
from airl_cli.errors import one_line

_SECONDS = 2.0  # of random episodes
_EPISODES = 20
_FEW_STEPS = 50  # of rollouts that are compared
_UNEVEN = 100.0  # ratio of the largest to the smallest deviation of observations
_LARGE, _SMALL = 10.0, 0.01  # deviations beyond which observations ask for normalisation
_SLOW = 1000  # steps/s below which a process for each copy is worth it
_USUAL = ("PassiveEnvChecker", "OrderEnforcing", "TimeLimit", "Monitor", "Float32Observation")
_REWARD_CHANGERS = ("NormalizeReward", "ClipReward", "TransformReward")


class Finding(NamedTuple):
    """One line of the examination.

    Attributes:
        what: Its subject.
        value: What was found.
        advice: What to do about it; empty where nothing is to be done.
    """

    what: str
    value: str
    advice: str = ""


class Sample(NamedTuple):
    """Random episodes of one copy.

    Attributes:
        obs: Observations (steps, size), flat; None for Dict and Tuple spaces.
        rewards: (steps,).
        lengths: Steps of the episodes that ended.
        returns: Their returns.
        terminal: How many of them ended in a terminal state.
        seconds: Wall-clock time.
    """

    obs: np.ndarray | None
    rewards: np.ndarray
    lengths: np.ndarray
    returns: np.ndarray
    terminal: int
    seconds: float


def examine(env: EnvSpec, total_timesteps: int = 1_000_000) -> Iterator[Finding]:
    """Examines an environment with random actions, in a few seconds.

    Args:
        env: The environment.
        total_timesteps: Of a training, for the estimate of its time.

    Yields:
        The findings, one after another.

    Raises:
        AirlError: As `check_environment`: training would be refused.
    """
    limit = check_environment(env).limit
    with closing(dataclasses.replace(env, vectorization="dummy").make(0, n_envs=1)) as venv:
        outer: RepeatableEpisodes = venv.envs[0]  # type: ignore[attr-defined]
        yield Finding("observations", str(outer.observation_space))
        yield _actions(outer.action_space)
        sample = _random_episodes(outer)
        yield _ends(sample, limit)
        yield _rewards(sample)
        if sample.obs is not None:
            yield from _observations(sample.obs)
        yield from _seeds(outer)
        yield _states(env, outer)
        yield from _wrappers(outer)
        yield _speed(env, len(sample.rewards) / sample.seconds, total_timesteps)
        yield from (Finding(*found) for found in ways_of_stepping(env))
        for name, check in (
            ("Gymnasium's checker", check_with_gymnasium),
            ("Stable-Baselines3's checker", check_with_sb3),
        ):
            yield _checked(name, check, outer.unwrapped)


def _speed(env: EnvSpec, steps_per_second: float, total_timesteps: int) -> Finding:
    seconds = total_timesteps / steps_per_second
    advice = ""
    if steps_per_second < _SLOW and env.vectorization == "dummy" and env.n_envs > 1:
        advice = (
            f"env.vectorization=subproc steps the copies in parallel: with {env.n_envs} free cores "
            f"{_duration(seconds / env.n_envs)}."
        )
    return Finding(
        "speed",
        f"{steps_per_second:,.0f} steps/s: {total_timesteps:,} steps take {_duration(seconds)} in "
        "the environment alone",
        advice,
    )


def _actions(space: gym.Space[Any]) -> Finding:
    advice = ""
    if isinstance(space, spaces.Box):
        centre, radius = (space.high + space.low) / 2, (space.high - space.low) / 2
        with np.errstate(invalid="ignore"):
            unusual = (radius > 3) | (radius < 0.3) | (np.abs(centre) > 0.5 * radius)
        if not np.isfinite(radius).all():
            advice = "Give the actions finite bounds: a policy explores with a deviation of 1."
        elif unusual.any():
            advice = (
                "A policy explores around 0 with a deviation of 1: rescale them to [-1, 1] with "
                "env.wrappers=[{_target_: gymnasium.wrappers.RescaleAction, _partial_: true, "
                "min_action: -1.0, max_action: 1.0}]."
            )
    return Finding("actions", str(space), advice)


def _random_episodes(outer: gym.Env[Any, Any]) -> Sample:
    flat = isinstance(outer.observation_space, (spaces.Box, spaces.Discrete))
    outer.action_space.seed(0)
    obs: list[np.ndarray] = []
    rewards: list[float] = []
    lengths: list[int] = []
    returns: list[float] = []
    terminal = 0
    start, begun = time.perf_counter(), 0
    observation, _ = outer.reset(seed=0)
    while len(lengths) < _EPISODES:
        if flat:
            obs.append(np.asarray(observation, dtype=np.float64).ravel())
        observation, reward, terminated, truncated, _ = outer.step(random_action(outer))
        rewards.append(float(reward))
        if terminated or truncated:
            lengths.append(len(rewards) - begun)
            returns.append(sum(rewards[begun:]))
            terminal += bool(terminated)
            begun = len(rewards)
            observation, _ = outer.reset()
        if lengths and time.perf_counter() - start > _SECONDS:
            break
    return Sample(
        np.array(obs) if flat else None,
        np.array(rewards),
        np.array(lengths),
        np.array(returns),
        terminal,
        time.perf_counter() - start,
    )


def _ends(sample: Sample, limit: int | None) -> Finding:
    shortest, longest = sample.lengths.min(), sample.lengths.max()
    steps = f"{shortest}" if shortest == longest else f"{shortest} to {longest}"
    value = (
        f"{len(sample.lengths)} random ones of {steps} steps, {sample.terminal} ended in a "
        f"terminal state; {'no time limit' if limit is None else f'time limit {limit} steps'}"
    )
    advice = ""
    if shortest != longest and not sample.terminal:
        advice = (
            "They are cut off at different lengths without being terminal: the environment must "
            "report terminated, or cut all at one length."
        )
    elif limit is None:
        advice = "A good policy may keep them from ending: set env.max_episode_steps."
    return Finding("episodes", value, advice)


def _rewards(sample: Sample) -> Finding:
    rewards = sample.rewards
    value = (
        f"{rewards.min():g} to {rewards.max():g} a step, mean {rewards.mean():.3g}; random "
        f"actions return {sample.returns.mean():,.4g}"
    )
    advice = ""
    if rewards.min() == rewards.max() and len(set(sample.lengths.tolist())) == 1:
        advice = "It is the same at every step: an expert cannot be trained on it."
    elif np.abs(rewards).max() > 100:
        advice = "It is large: train the expert with expert.normalize_reward=true."
    return Finding("rewards", value, advice)


def _observations(obs: np.ndarray) -> Iterator[Finding]:
    deviations = obs.std(axis=0)
    varying = deviations[deviations > 0]
    constant = np.flatnonzero(deviations == 0)
    value = f"{obs.min():.3g} to {obs.max():.3g}"
    if len(varying):
        value += f", deviations from {varying.min():.2g} to {varying.max():.2g}"
    advice = ""
    if len(varying) and (
        varying.max() > _LARGE or varying.min() < _SMALL or varying.max() / varying.min() > _UNEVEN
    ):
        advice = (
            "Normalise them in the nets: generator.policy_kwargs.features_extractor_class and "
            "reward.normalize_input_layer, as docs/own-environment.md shows."
        )
    yield Finding("observation scales", value, advice)
    if len(constant):
        shown = ", ".join(map(str, constant[:10])) + (", ..." if len(constant) > 10 else "")
        yield Finding("constant observations", f"{len(constant)} of {obs.shape[1]}: {shown}")


def _rollout(outer: gym.Env[Any, Any], seed: int) -> list[Any]:
    outer.action_space.seed(0)
    seen = [outer.reset(seed=seed)[0]]
    for _ in range(_FEW_STEPS):
        observation, reward, terminated, truncated, _ = outer.step(random_action(outer))
        seen += [observation, reward, terminated, truncated]
        if terminated or truncated:
            break
    return seen


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, dict):
        return all(_same(first[key], second[key]) for key in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(_same, first, second))
    return bool(np.array_equal(first, second))


def _seeds(outer: gym.Env[Any, Any]) -> Iterator[Finding]:
    repeats = _same(_rollout(outer, 1), _rollout(outer, 1))
    yield Finding(
        "seeds",
        "the same seed and actions give the same episode"
        if repeats
        else "the same seed gives another episode",
        ""
        if repeats
        else "Draw all random numbers from self.np_random: otherwise runs cannot be repeated, nor "
        "resumed in the middle of an episode.",
    )
    starts = [outer.reset(seed=seed)[0] for seed in range(5)]
    if all(_same(starts[0], start) for start in starts):
        yield Finding("starting states", "the same with every seed")
    # How a run is resumed: the open episode is repeated from its seed and actions.
    _rollout(outer, 2)
    log = outer.episode_log() if isinstance(outer, RepeatableEpisodes) else None
    if log is not None and repeats:
        yield Finding("exact resume", "an open episode can be repeated from its seed and actions")


def _states(env: EnvSpec, outer: gym.Env[Any, Any]) -> Finding:
    what = "states"
    if not isinstance(outer.observation_space, spaces.Box):
        return Finding(what, "cannot be restored from observations")
    outer.action_space.seed(0)
    obs, acts, next_obs = [], [], []
    observation, _ = outer.reset(seed=3)
    for _ in range(_FEW_STEPS):
        action = random_action(outer)
        following, _, terminated, truncated, _ = outer.step(action)
        obs.append(observation)
        acts.append(action)
        next_obs.append(following)
        observation = outer.reset()[0] if terminated or truncated else following
    found = replay(env, np.array(obs), np.array(acts), np.array(next_obs))
    if not found.tried:
        return Finding(what, f"{found.reason}; airl demos check cannot replay recordings")
    return Finding(
        what,
        f"can be restored from observations; {found.fraction:.0%} of {found.tried} steps repeated",
    )


def _wrappers(outer: gym.Env[Any, Any]) -> Iterator[Finding]:
    names, layer = [], outer
    while isinstance(layer, gym.Wrapper):
        layer = layer.env
        if isinstance(layer, gym.Wrapper) and type(layer).__name__ not in _USUAL:
            names.append(type(layer).__name__)
    changers = [name for name in names if name in _REWARD_CHANGERS]
    advice = ""
    if changers:
        advice = f"{changers[0]} changes the reward: returns in tables are not the task's own."
    elif "NormalizeObservation" in names:
        advice = (
            "NormalizeObservation has statistics of its own in every copy, and no file keeps them: "
            "normalise in the nets instead."
        )
    yield Finding("wrappers", ", ".join(reversed(names)) or "only the usual ones", advice)


def _checked(name: str, check: Callable[..., None], inner: gym.Env[Any, Any]) -> Finding:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            check(inner, skip_render_check=True)
        except Exception as error:  # assertions, and whatever the environment raises
            return Finding(name, "fails", f"{one_line(error)}.")
    said = [_plain(str(warning.message)) for warning in caught]
    if not said:
        return Finding(name, "passes")
    more = f" (and {len(said) - 1} more)" if len(said) > 1 else ""
    return Finding(name, "passes with remarks", said[0] + more)


def _plain(message: str) -> str:
    """A warning of Gymnasium's without its colours and prefix."""
    return " ".join(message.replace("\x1b[33m", "").replace("\x1b[0m", "").split()).removeprefix(
        "WARN: "
    )


def _duration(seconds: float) -> str:
    for size, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
