"""Sampling of whole episodes from a vectorised environment, without favouring short ones."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from airl_cli.data.policies import AnyPolicy, PolicyCallable, policy_to_callable
from airl_cli.data.recorder import EpisodeRecorder, TrajectoryAccumulator, storage_dtype
from airl_cli.data.transitions import flatten_trajectories, flatten_trajectories_with_rew
from airl_cli.data.types import TrajectoryWithRew, TransitionsWithRew, true_returns
from airl_cli.errors import InvalidValueError

__all__ = [
    "AnyPolicy",
    "GenTrajTerminationFn",
    "PolicyCallable",
    "TrajectoryAccumulator",
    "discounted_sum",
    "flatten_trajectories",
    "flatten_trajectories_with_rew",
    "generate_trajectories",
    "generate_transitions",
    "make_min_episodes",
    "make_min_timesteps",
    "make_sample_until",
    "policy_to_callable",
    "rollout",
    "rollout_stats",
    "unwrap_traj",
]

_log = logging.getLogger(__name__)

GenTrajTerminationFn = Callable[[Sequence[TrajectoryWithRew]], bool]
"""From the finished trajectories to whether they suffice."""


def make_min_episodes(n: int) -> GenTrajTerminationFn:
    """Condition: at least `n` finished episodes.

    Raises:
        InvalidValueError: If `n` is below 1.
    """
    _check_positive(n, "min_episodes")
    return lambda trajectories: len(trajectories) >= n


def make_min_timesteps(n: int) -> GenTrajTerminationFn:
    """Condition: at least `n` timesteps in finished episodes.

    Raises:
        InvalidValueError: If `n` is below 1.
    """
    _check_positive(n, "min_timesteps")
    return lambda trajectories: sum(map(len, trajectories)) >= n


def make_sample_until(
    min_timesteps: int | None = None, min_episodes: int | None = None
) -> GenTrajTerminationFn:
    """Condition that holds when every given minimum is reached.

    Args:
        min_timesteps: Timesteps in finished episodes.
        min_episodes: Finished episodes.

    Raises:
        InvalidValueError: If both are None, or one is below 1.
    """
    conditions: list[GenTrajTerminationFn] = []
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
    policy: AnyPolicy,
    venv: VecEnv,
    sample_until: GenTrajTerminationFn,
    rng: np.random.Generator,
    *,
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
            `(obs, states, episode_starts) -> (acts, states)`, or None for uniformly random
            actions drawn from `rng`; see `policy_to_callable`.
        venv: Environment; it is reset first. Its episodes must end.
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
        InvalidValueError: If the policy was made for other spaces, the actions have the wrong
            shape, or `deterministic_policy` is asked of something other than an SB3 policy.
    """
    act = policy_to_callable(policy, venv, deterministic_policy, rng=rng)
    recorder = EpisodeRecorder(
        venv.num_envs, venv.observation_space, venv.action_space, record_infos=not exclude_infos
    )
    sampled = _sample(act, venv, sample_until, recorder, unwrap)
    trajectories = [sampled[index] for index in rng.permutation(len(sampled))]
    if verbose:
        _log.info("rollout: %s", dict(rollout_stats(trajectories)))
    return trajectories


def generate_trajectories(
    policy: AnyPolicy,
    venv: VecEnv,
    sample_until: GenTrajTerminationFn,
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
    policy: AnyPolicy,
    venv: VecEnv,
    n_timesteps: int,
    rng: np.random.Generator,
    *,
    truncate: bool = True,
    deterministic_policy: bool = False,
) -> TransitionsWithRew:
    """Transitions of whole episodes as they come out of `venv`: nothing unwrapped, with infos.

    Args:
        policy: As in `rollout`.
        venv: As in `rollout`.
        n_timesteps: Number of transitions wanted, at least 1.
        rng: As in `rollout`.
        truncate: Return exactly `n_timesteps`, and not the rest of the episodes begun.
        deterministic_policy: As in `rollout`.

    Raises:
        InvalidValueError: If `n_timesteps` is below 1; see also `rollout`.
    """
    sample_until = make_min_timesteps(n_timesteps)
    trajectories = generate_trajectories(
        policy, venv, sample_until, rng, deterministic_policy=deterministic_policy
    )
    transitions = flatten_trajectories_with_rew(trajectories)
    return transitions[:n_timesteps] if truncate else transitions


def rollout_stats(trajectories: Sequence[TrajectoryWithRew]) -> Mapping[str, float]:
    """Statistics of returns (undiscounted) and lengths (steps).

    Returns:
        `n_traj`, `len_min` and `len_max` as integers, and as floats min, mean, std and max of
        `return` and mean and std of `len`; where trajectories carry the infos of SB3's Monitor,
        also their number `monitor_return_len` and the statistics of `monitor_return` and
        `monitor_len`: what the episode was before wrappers outside Monitor changed it.

    Raises:
        InvalidValueError: If there are no trajectories.
    """
    if not trajectories:
        raise InvalidValueError("there are no trajectories to take statistics of.")
    stats: dict[str, float] = {"n_traj": len(trajectories)}
    stats |= _summary("return", true_returns(trajectories))
    stats |= _summary("len", [len(trajectory) for trajectory in trajectories])
    last = [t.infos[-1] for t in trajectories if t.infos is not None]
    monitored = [info["episode"] for info in last if "episode" in info]
    if monitored:
        stats["monitor_return_len"] = len(monitored)
        stats |= _summary("monitor_return", [float(episode["r"]) for episode in monitored])
        stats |= _summary("monitor_len", [int(episode["l"]) for episode in monitored])
    return stats


def discounted_sum(arr: np.ndarray, gamma: float) -> np.ndarray | float:
    """Sum of `gamma**t * arr[t]` over the first axis, time: an array (T, ...) gives (...).

    Args:
        arr: Rewards, for example, the first one undiscounted.
        gamma: The discount.
    """
    weights = np.power(float(gamma), np.arange(len(arr)))
    return np.tensordot(weights, arr, axes=1)[()]


def unwrap_traj(traj: TrajectoryWithRew) -> TrajectoryWithRew:
    """`traj` with the observations and rewards that a `RolloutInfoWrapper` kept.

    Raises:
        InvalidValueError: If the trajectory has no infos, or the last one no `"rollout"`.
    """
    info = {} if traj.infos is None else traj.infos[-1]
    if "rollout" not in info:
        raise InvalidValueError(
            "the trajectory's last info has no 'rollout', so it cannot be unwrapped.",
            "Put a RolloutInfoWrapper around the environment, and sample with infos.",
        )
    return _unwrapped(traj, info)


def _sample(
    act: PolicyCallable,
    venv: VecEnv,
    sample_until: GenTrajTerminationFn,
    recorder: EpisodeRecorder,
    unwrap: bool,
) -> list[TrajectoryWithRew]:
    trajectories: list[TrajectoryWithRew] = []
    obs: Any = venv.reset()
    states = None
    dones = np.ones(venv.num_envs, dtype=bool)  # SB3's `episode_start`
    active = np.ones(venv.num_envs, dtype=bool)  # does the environment's present episode count?
    enough = False
    while active.any():
        acts, states = act(obs, states, dones)
        next_obs, rews, dones, infos = venv.step(acts)
        recorder.add(obs, acts, rews, infos)
        for env in map(int, np.flatnonzero(dones)):
            if active[env]:
                trajectory = recorder.end_episode(env, infos[env])
                if unwrap and "rollout" in infos[env]:
                    trajectory = _unwrapped(trajectory, infos[env])
                trajectories.append(trajectory)
            else:
                recorder.skip_episode(env)
        if dones.any():
            enough = enough or sample_until(trajectories)
            if enough:
                active &= ~dones
        obs = next_obs
    return trajectories


def _unwrapped(trajectory: TrajectoryWithRew, last_info: Mapping[str, Any]) -> TrajectoryWithRew:
    original = last_info["rollout"]
    obs = original["obs"]
    return dataclasses.replace(
        trajectory,
        obs=obs.astype(storage_dtype(obs.dtype), copy=False),
        rews=original["rews"].astype(np.float32),
    )


def _summary(name: str, values: Any) -> dict[str, float]:
    """Minimum and maximum keep the type of Python or NumPy integers."""
    array = np.asarray(values)
    return {
        f"{name}_{statistic.__name__}": statistic(array).item()
        for statistic in (np.mean, np.std, np.min, np.max)
    }


def _check_positive(n: int, name: str) -> None:
    if n < 1:
        raise InvalidValueError(f"{name} is {n}; it must be at least 1.")
