"""Sampling of whole episodes from a vectorised environment, without favouring short ones."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from airl_cli.data.policies import PolicyFn, PolicyLike, as_policy_fn
from airl_cli.data.recorder import EpisodeRecorder, storage_dtype
from airl_cli.data.types import (
    Trajectory,
    TrajectoryWithRew,
    Transitions,
    TransitionsWithRew,
    true_returns,
)
from airl_cli.errors import InvalidValueError

_log = logging.getLogger(__name__)

SampleUntil = Callable[[Sequence[TrajectoryWithRew]], bool]
"""Whether the finished trajectories suffice."""


def make_min_episodes(n: int) -> SampleUntil:
    """Condition: at least `n` finished episodes.

    Raises:
        InvalidValueError: If `n` is below 1.
    """
    _check_positive(n, "min_episodes")
    return lambda trajectories: len(trajectories) >= n


def make_min_timesteps(n: int) -> SampleUntil:
    """Condition: at least `n` timesteps in finished episodes.

    Raises:
        InvalidValueError: If `n` is below 1.
    """
    _check_positive(n, "min_timesteps")
    return lambda trajectories: sum(map(len, trajectories)) >= n


def make_sample_until(
    min_timesteps: int | None = None, min_episodes: int | None = None
) -> SampleUntil:
    """Condition that holds when every given minimum is reached.

    Args:
        min_timesteps: Timesteps in finished episodes.
        min_episodes: Finished episodes.

    Raises:
        InvalidValueError: If both are None, or one is below 1.
    """
    conditions: list[SampleUntil] = []
    if min_timesteps is not None:
        conditions.append(make_min_timesteps(min_timesteps))
    if min_episodes is not None:
        conditions.append(make_min_episodes(min_episodes))
    if not conditions:
        raise InvalidValueError(
            "neither min_timesteps nor min_episodes is given, so sampling has no end.",
            "Give at least one of them.",
        )
    return lambda trajectories: all(condition(trajectories) for condition in conditions)


def rollout(
    policy: PolicyLike,
    venv: VecEnv,
    sample_until: SampleUntil,
    *,
    rng: np.random.Generator,
    unwrap: bool = True,
    exclude_infos: bool = True,
    deterministic_policy: bool = False,
    verbose: bool = False,
) -> list[TrajectoryWithRew]:
    """Sample whole episodes until `sample_until` holds.

    From then on no new episode is counted, but every one that has begun is finished: taking the
    first `n` to finish would favour short ones. Whether an episode belongs to the sample is thus
    decided before it starts, so its length cannot matter. The result is shuffled, because short
    episodes finish first and callers may take the first few.

    Args:
        policy: An SB3 algorithm or policy (anything with SB3's `predict`), a callable
            `(obs, state, episode_starts) -> (acts, state)`, or None for uniformly random actions
            drawn from `rng`.
        venv: Environment; it is reset first. Its episodes must end at some time.
        sample_until: Asked each time an episode ends, with all that have ended; see
            `make_sample_until`.
        rng: Source of the random actions and of the order. The environments' own randomness comes
            from their seeds, an SB3 policy's from torch's global generator.
        unwrap: Take the original observations and rewards where a `RolloutInfoWrapper` below
            other wrappers kept them.
        exclude_infos: Leave the info dicts out (they take more memory than everything else).
        deterministic_policy: Take the policy's mode instead of sampling from it.
        verbose: Log the statistics of the rollout.

    Returns:
        Trajectories in random order: all that had begun when `sample_until` came true, so usually
        up to `venv.num_envs - 1` more than asked for. float64 is stored as float32.

    Raises:
        InvalidTypeError: If the policy is of no supported kind, or a space is Dict or Tuple.
        InvalidValueError: If the actions have the wrong shape, or `deterministic_policy` is asked
            of something other than an SB3 policy.
    """
    policy_fn = as_policy_fn(policy, venv, rng, deterministic=deterministic_policy)
    recorder = EpisodeRecorder(
        venv.num_envs, venv.observation_space, venv.action_space, record_infos=not exclude_infos
    )
    sampled = _sample(policy_fn, venv, sample_until, recorder, unwrap)
    trajectories = [sampled[index] for index in rng.permutation(len(sampled))]
    if verbose:
        _log.info("rollout: %s", dict(rollout_stats(trajectories)))
    return trajectories


def generate_trajectories(
    policy: PolicyLike,
    venv: VecEnv,
    sample_until: SampleUntil,
    rng: np.random.Generator,
    *,
    deterministic_policy: bool = False,
) -> list[TrajectoryWithRew]:
    """Like `rollout`, but as they come out of `venv`: nothing unwrapped, infos included."""
    return rollout(
        policy,
        venv,
        sample_until,
        rng=rng,
        unwrap=False,
        exclude_infos=False,
        deterministic_policy=deterministic_policy,
    )


def generate_transitions(
    policy: PolicyLike,
    venv: VecEnv,
    n_timesteps: int,
    *,
    rng: np.random.Generator,
    truncate: bool = True,
    **kwargs: Any,
) -> TransitionsWithRew:
    """Sample transitions from whole episodes.

    Args:
        policy: As in `rollout`.
        venv: As in `rollout`.
        n_timesteps: Number of transitions wanted, at least 1.
        rng: As in `rollout`.
        truncate: Return exactly `n_timesteps`, and not the rest of the episodes begun.
        **kwargs: Passed on to `rollout`.

    Raises:
        InvalidValueError: If `n_timesteps` is below 1; see also `rollout`.
    """
    sample_until = make_min_timesteps(n_timesteps)
    trajectories = rollout(policy, venv, sample_until, rng=rng, **kwargs)
    transitions = flatten_trajectories_with_rew(trajectories)
    return transitions[:n_timesteps] if truncate else transitions


def flatten_trajectories(trajectories: Iterable[Trajectory]) -> Transitions:
    """All transitions of `trajectories`, in their order.

    `dones` is true only for the last transition of a trajectory that ended in a terminal state;
    infos are kept if every trajectory has them.

    Raises:
        InvalidValueError: If there are no trajectories, or their shapes differ.
    """
    return Transitions(**_flatten(list(trajectories)))


def flatten_trajectories_with_rew(trajectories: Iterable[TrajectoryWithRew]) -> TransitionsWithRew:
    """Like `flatten_trajectories`, with the rewards."""
    trajectories = list(trajectories)
    fields = _flatten(trajectories)
    return TransitionsWithRew(**fields, rews=np.concatenate([t.rews for t in trajectories]))


def rollout_stats(trajectories: Sequence[TrajectoryWithRew]) -> Mapping[str, float]:
    """Statistics of returns (undiscounted) and lengths (steps).

    Returns:
        `n_traj`, and mean, std, min and max of `return` and `len`; where every trajectory carries
        the infos of SB3's Monitor, also of `monitor_return` and `monitor_len`: what the episode
        was before wrappers outside Monitor changed it.

    Raises:
        InvalidValueError: If there are no trajectories.
    """
    if not trajectories:
        raise InvalidValueError("there are no trajectories to take statistics of.")
    stats = {"n_traj": float(len(trajectories))}
    stats |= _summary("return", true_returns(trajectories))
    stats |= _summary("len", [len(trajectory) for trajectory in trajectories])
    last = [{} if t.infos is None else t.infos[-1] for t in trajectories]
    if all("episode" in info for info in last):
        stats |= _summary("monitor_return", [info["episode"]["r"] for info in last])
        stats |= _summary("monitor_len", [info["episode"]["l"] for info in last])
    return stats


def _sample(
    policy_fn: PolicyFn,
    venv: VecEnv,
    sample_until: SampleUntil,
    recorder: EpisodeRecorder,
    unwrap: bool,
) -> list[TrajectoryWithRew]:
    trajectories: list[TrajectoryWithRew] = []
    obs: Any = venv.reset()
    state = None
    dones = np.ones(venv.num_envs, dtype=bool)  # SB3's `episode_start`
    active = np.ones(venv.num_envs, dtype=bool)  # does the env's present episode count?
    enough = False
    while active.any():
        acts, state = policy_fn(obs, state, dones)
        next_obs, rews, dones, infos = venv.step(acts)
        recorder.add(obs, acts, rews, infos)
        for env in map(int, np.flatnonzero(dones)):
            if active[env]:
                trajectory = recorder.end_episode(env, infos[env])
                trajectories.append(_unwrap(trajectory, infos[env]) if unwrap else trajectory)
            else:
                recorder.skip_episode(env)
        if dones.any():
            enough = enough or sample_until(trajectories)
            if enough:
                active &= ~dones
        obs = next_obs
    return trajectories


def _unwrap(trajectory: TrajectoryWithRew, last_info: Mapping[str, Any]) -> TrajectoryWithRew:
    original = last_info.get("rollout")
    if original is None:
        return trajectory
    obs = original["obs"]
    return dataclasses.replace(
        trajectory,
        obs=obs.astype(storage_dtype(obs.dtype), copy=False),
        rews=original["rews"].astype(np.float32),
    )


def _flatten(trajectories: Sequence[Trajectory]) -> dict[str, Any]:
    if not trajectories:
        raise InvalidValueError("there are no trajectories to flatten.")
    for name in ("obs", "acts"):
        shapes = {getattr(trajectory, name).shape[1:] for trajectory in trajectories}
        if len(shapes) > 1:
            raise InvalidValueError(
                f"the trajectories' {name} have different shapes: {sorted(shapes)}.",
                "Trajectories used together must come from the same environment.",
            )
    infos = [np.asarray(t.infos, dtype=object) for t in trajectories if t.infos is not None]
    last = np.cumsum([len(trajectory) for trajectory in trajectories]) - 1
    dones = np.zeros(last[-1] + 1, dtype=bool)
    dones[last] = [trajectory.terminal for trajectory in trajectories]
    return {
        "obs": np.concatenate([trajectory.obs[:-1] for trajectory in trajectories]),
        "acts": np.concatenate([trajectory.acts for trajectory in trajectories]),
        "infos": np.concatenate(infos) if len(infos) == len(trajectories) else None,
        "next_obs": np.concatenate([trajectory.obs[1:] for trajectory in trajectories]),
        "dones": dones,
    }


def _summary(name: str, values: Any) -> dict[str, float]:
    return {
        f"{name}_{statistic.__name__}": float(statistic(values))
        for statistic in (np.mean, np.std, np.min, np.max)
    }


def _check_positive(n: int, name: str) -> None:
    if n < 1:
        raise InvalidValueError(f"{name} is {n}; it must be at least 1.")
