"""Do demonstrations fit an environment? What is wrong outright is refused, the rest is said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from airl_cli.data.spaces import describe
from airl_cli.data.transitions import has_actions
from airl_cli.data.types import Trajectory
from airl_cli.data.validate import EpisodeValidator, lengths_of, outside
from airl_cli.envs.check import check_fixed_horizon
from airl_cli.envs.dynamics import Replay, replay, time_limit
from airl_cli.experts.base import Demonstrations, log

if TYPE_CHECKING:
    from airl_cli.envs import EnvSpec

_FEW = 64  # episodes and replayed transitions that `airl train` looks at
_ENOUGH = 0.9  # a lower share of reproduced transitions is worth a warning


@dataclass(frozen=True)
class Fit:
    """How demonstrations and an environment go together.

    Attributes:
        n_episodes: Looked at.
        n_transitions: Looked at.
        lengths: The shortest and the longest episode, in steps.
        limit: The environment's time limit; None where it has none.
        cut_off: Episodes that end before the limit, and not in a terminal state.
        terminal: Episodes that are marked as ending in a terminal state.
        terminal_at_limit: Of those, the ones that end exactly at the limit.
        ends: Of some ends of episodes, where these could be replayed: how many there are, how many
            are marked as terminal, and in how many the environment's own flag is another one.
        outside: Share of observations that are not in the observation space.
        replay: Of some transitions by the environment itself.
        warnings: What deserves attention.
    """

    n_episodes: int
    n_transitions: int
    lengths: tuple[int, int]
    limit: int | None
    cut_off: int
    terminal: int
    terminal_at_limit: int
    ends: tuple[int, int, int]
    outside: float
    replay: Replay
    warnings: tuple[str, ...]


def check_fit(
    source: str,
    trajectories: Sequence[Trajectory],
    env: EnvSpec,
    *,
    allow_variable_horizon: bool = False,
    n_replayed: int = 200,
) -> Fit:
    """Compare demonstrations with an environment.

    Args:
        source: For messages.
        trajectories: The demonstrations; as many as are to be looked at.
        env: The environment.
        allow_variable_horizon: Accept episodes of different length.
        n_replayed: Transitions that the environment is to reproduce, spread over the episodes.

    Raises:
        InvalidValueError: If a shape, dtype or action does not fit, a value is not finite, or
            episodes differ in length; file, episode and field are named.
    """
    observation_space, action_space = env.spaces()
    validator = EpisodeValidator(source, observation_space, action_space)
    lengths = lengths_of(trajectories)
    picks = _picks(lengths, n_replayed)
    limit = time_limit(env)
    n_outside, n_obs, cut_off = 0, 0, 0
    terminal = np.zeros(len(lengths), dtype=bool)
    chosen: list[tuple[np.ndarray, ...]] = []
    last: list[tuple[np.ndarray, ...]] = []
    for number, episode in enumerate(trajectories):
        fitted = validator.validate(number, episode)
        n_outside += int(outside(observation_space, fitted.obs).sum())
        n_obs += len(fitted.obs)
        cut_off += not fitted.terminal and (limit is None or len(fitted) < limit)
        terminal[number] = fitted.terminal
        if number < _FEW:
            last.append((fitted.obs[-2:-1], fitted.acts[-1:], fitted.obs[-1:]))
        if number in picks:
            steps = picks[number]
            chosen.append((fitted.obs[steps], fitted.acts[steps], fitted.obs[steps + 1]))
    check_fixed_horizon(
        lengths, allow_variable_horizon=allow_variable_horizon, what=f"episodes of {source}"
    )
    replayed, ends = _replayed(env, chosen), _replayed(env, last)
    tried = ends.tried if ends.fraction >= _ENOUGH else 0  # else its flags are of other states
    marked, ended = terminal[:tried], np.array(ends.terminated[:tried], dtype=bool)
    fit = Fit(
        n_episodes=len(lengths),
        n_transitions=int(lengths.sum()),
        lengths=(int(lengths.min()), int(lengths.max())),
        limit=limit,
        cut_off=cut_off,
        terminal=int(terminal.sum()),
        terminal_at_limit=int((terminal & (lengths == limit)).sum()),
        ends=(tried, int(marked.sum()), int((marked != ended).sum())),
        outside=n_outside / n_obs,
        replay=replayed,
        warnings=(),
    )
    return _with_warnings(fit, env, observation_space)


def _replayed(env: EnvSpec, transitions: list[tuple[np.ndarray, ...]]) -> Replay:
    obs, acts, next_obs = (np.concatenate(part) for part in zip(*transitions, strict=True))
    if not has_actions(acts):
        return Replay(0, math.nan, "the recording holds no actions")
    return replay(env, obs, acts, next_obs)


def check_demonstrations(
    demonstrations: Demonstrations,
    env: EnvSpec,
    *,
    allow_variable_horizon: bool,
) -> None:
    """What `airl train` asks of demonstrations before it trains; its warnings are logged.

    Those that were sampled in the environment itself fit it.

    Raises:
        InvalidValueError: As for `check_fit`.
    """
    path = demonstrations.provenance.get("path")
    if demonstrations.policy is not None or path is None:
        return
    # The values of all episodes were checked when they were read; their lengths are known.
    check_fixed_horizon(
        demonstrations.lengths,
        allow_variable_horizon=allow_variable_horizon,
        what=f"episodes of {path}",
    )
    fit = check_fit(
        path,
        demonstrations.trajectories[:_FEW],
        env,
        allow_variable_horizon=allow_variable_horizon,
        n_replayed=_FEW,
    )
    for warning in fit.warnings:
        log.warning(f"warning: {warning}")


def _picks(lengths: np.ndarray, n: int) -> dict[int, np.ndarray]:
    """Steps to replay, by episode: `n` in all, the same ones each time."""
    total = int(lengths.sum())
    rng = np.random.default_rng(0)
    numbers = np.sort(rng.choice(total, min(n, total), replace=False))
    ends = np.cumsum(lengths)
    episodes = np.searchsorted(ends, numbers, side="right")
    steps = numbers - (ends - lengths)[episodes]
    return {int(e): steps[episodes == e] for e in np.unique(episodes)}


def _with_warnings(fit: Fit, env: EnvSpec, observation_space: Any) -> Fit:
    warnings = []
    if fit.limit is not None and fit.lengths[1] > fit.limit:
        warnings.append(
            f"episodes of up to {fit.lengths[1]} steps, {env.id} ends after {fit.limit}"
        )
    if fit.cut_off and fit.limit is not None:
        warnings.append(
            f"{fit.cut_off} of {fit.n_episodes} episodes stop before the limit of {fit.limit} "
            "steps without being terminal"
        )
    if fit.terminal_at_limit == fit.n_episodes:
        warnings.append(
            f"all {fit.n_episodes} episodes are marked as terminal exactly at the time limit of "
            f"{fit.limit} steps: a time limit is no terminal state; "
            "terminal_at_limit=truncated reads them as truncated"
        )
    tried, marked, other = fit.ends
    if other:
        warnings.append(
            f"of {tried} ends of episodes, {marked} are marked as terminal; {env.id} itself "
            f"says otherwise of {other}"
        )
    if fit.outside:
        warnings.append(
            f"{fit.outside:.1%} of the observations are outside the observation space "
            f"({describe(observation_space)})"
        )
    if fit.replay.tried and fit.replay.fraction < _ENOUGH:
        warnings.append(
            f"{env.id} itself leads to the recorded next observation in only "
            f"{fit.replay.fraction:.0%} of {fit.replay.tried} transitions tried: another "
            "environment, or a stochastic one"
        )
    return Fit(**{**vars(fit), "warnings": tuple(warnings)})
