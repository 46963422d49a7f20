"""What is asked of trajectories before they are used; every refusal names file and episode."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.spaces import Space

from airl_cli.data.spaces import describe
from airl_cli.data.transitions import has_actions
from airl_cli.data.types import Trajectory, TrajectoryWithRew
from airl_cli.errors import AirlError, InvalidValueError, one_line

# Actions are often stored in another precision than the space's bounds.
_ROUNDING = 1e-5
_UNITS = 10.0  # times the bounds: further outside, actions are in other units


def trajectory(
    source: object,
    index: int,
    *,
    obs: np.ndarray,
    acts: np.ndarray,
    terminal: bool,
    rews: np.ndarray | None = None,
) -> Trajectory:
    """A trajectory out of a file; mistakes in it name the file and the episode.

    Raises:
        InvalidValueError: If the parts do not make an episode.
    """
    if len(obs) != len(acts) + 1:
        raise InvalidValueError(
            f"{source}: episode {index}, obs: {len(obs)} observations for {len(acts)} actions.",
            "An episode has one observation more than actions: the one in which it ended.",
        )
    try:
        if rews is None:
            return Trajectory(obs, acts, None, terminal)
        return TrajectoryWithRew(obs, acts, None, terminal, rews)
    except AirlError as error:
        raise InvalidValueError(
            f"{source}: episode {index}: {error.problem}",
            error.remedy or "Correct the episode, or leave it out.",
        ) from error


@contextmanager
def explained(source: object, what: str) -> Iterator[None]:
    """Turns what a library raises over damaged data into an error that names the source.

    Raises:
        InvalidValueError: For anything but an `AirlError` that names the source already.
    """
    try:
        yield
    except Exception as error:  # readers raise dozens of kinds on damaged bytes
        reason, remedy = one_line(error, 300), ""
        if isinstance(error, AirlError):
            if str(source) in error.problem:
                raise
            reason, remedy = error.problem, error.remedy
        raise InvalidValueError(
            f"{source} is not a usable {what}: {reason.rstrip('.')}.",
            remedy or "It is damaged or of another format; make or download it again.",
        ) from error


def outside(space: Space[Any], values: np.ndarray) -> np.ndarray:
    """Which of `values` (n, *shape) are not in the space: (n,) bool.

    Floats may pass a bound by rounding. NaN is outside.
    """
    flat = values.reshape(len(values), -1) if values.size else values.reshape(len(values), 0)
    if isinstance(space, spaces.Box):
        low, high = (bound.reshape(1, -1).astype(np.float64) for bound in (space.low, space.high))
        slack = _slack(low, high)
        inside = (flat >= low - slack) & (flat <= high + slack)
    elif isinstance(space, spaces.Discrete):
        inside = (flat >= space.start) & (flat < space.start + space.n)
    elif isinstance(space, spaces.MultiDiscrete):
        start = np.ravel(space.start)
        inside = (flat >= start) & (flat < start + space.nvec.ravel())
    elif isinstance(space, spaces.MultiBinary):
        inside = (flat == 0) | (flat == 1)
    else:
        raise InvalidValueError(f"spaces of type {type(space).__name__} are not supported.")
    return np.asarray(~inside.all(axis=1))


def _slack(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    width = np.where(np.isfinite(high - low), high - low, 1.0)
    return _ROUNDING * width


class EpisodeValidator:
    """Brings trajectories of a source into the form that an environment's spaces want.

    Args:
        source: For messages.
        observation_space: Of the environment.
        action_space: Of the environment.
        clip_actions: Move actions outside a Box to its nearest bound instead of refusing them.
    """

    def __init__(
        self,
        source: object,
        observation_space: Space[Any],
        action_space: Space[Any],
        *,
        clip_actions: bool = False,
    ) -> None:
        self.source = source
        self.observation_space = observation_space
        self.action_space = action_space
        self.clip_actions = clip_actions

    def validate(self, index: int, episode: Trajectory) -> Trajectory:
        """The episode, checked, in the dtypes that the environment gives and takes.

        Raises:
            InvalidValueError: If shapes, dtypes or values do not fit, naming the field.
        """
        check_finite(self.source, index, episode)
        obs = self._cast(index, "obs", episode.obs, self.observation_space)
        if not has_actions(episode.acts):
            return dataclasses.replace(episode, obs=obs)
        acts = self._cast(index, "acts", episode.acts, self.action_space)
        wrong = np.flatnonzero(outside(self.action_space, acts))
        if len(wrong):
            self._check_units(index, acts)
        if len(wrong) and not self._may_clip():
            raise InvalidValueError(
                f"{self.source}: episode {index}, acts: {acts[wrong[0]]} at step {wrong[0]} is not "
                f"in the action space, {describe(self.action_space)}.",
                "Set expert.clip_actions=true to use the nearest action."
                if isinstance(self.action_space, spaces.Box)
                else "Use demonstrations of this environment, or number its actions anew.",
            )
        return dataclasses.replace(episode, obs=obs, acts=self._clipped(acts))

    def _check_units(self, index: int, acts: np.ndarray) -> None:
        """Refuses actions that are far outside as a rule, which clipping would only hide."""
        if not isinstance(self.action_space, spaces.Box):
            return
        bounds = np.maximum(np.abs(self.action_space.low), np.abs(self.action_space.high))
        finite = np.isfinite(bounds) & (bounds > 0)
        if not finite.any():
            return
        sizes = np.abs(acts[:, finite]) / bounds[finite]
        usual = float(np.median(sizes.max(axis=1)))
        if usual > _UNITS:
            raise InvalidValueError(
                f"{self.source}: episode {index}, acts: {usual:,.3g} times the bounds of "
                f"{describe(self.action_space)}, in half of the steps or more.",
                "They seem to be in other units: rescale them to those of the environment.",
            )

    def cast(self, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Transitions of episodes that passed `validate`, brought into the same form."""
        dtypes = {"obs": _precision(self.observation_space), "acts": _precision(self.action_space)}
        dtypes["next_obs"] = dtypes["obs"]
        known = has_actions(columns["acts"])
        if not known:
            del dtypes["acts"]
        spaces_of = {"acts": self.action_space}
        cast = {
            name: _shaped(columns[name], spaces_of.get(name, self.observation_space)).astype(
                dtype, copy=False
            )
            for name, dtype in dtypes.items()
        }
        return columns | cast | ({"acts": self._clipped(cast["acts"])} if known else {})

    def _clipped(self, acts: np.ndarray) -> np.ndarray:
        if not isinstance(self.action_space, spaces.Box):
            return acts
        return np.clip(acts, self.action_space.low, self.action_space.high, dtype=acts.dtype)

    def _may_clip(self) -> bool:
        return self.clip_actions and isinstance(self.action_space, spaces.Box)

    def _cast(self, index: int, name: str, values: np.ndarray, space: Space[Any]) -> np.ndarray:
        values = _shaped(values, space)
        if values.shape[1:] != space.shape:
            raise InvalidValueError(
                f"{self.source}: episode {index}, {name}: shape {values.shape[1:]} per step, the "
                f"environment has {describe(space)}.",
                "Use demonstrations of this environment, or choose theirs with env=... .",
            )
        wanted = _precision(space)
        if wanted.kind != "f" and values.dtype.kind == "f":
            raise InvalidValueError(
                f"{self.source}: episode {index}, {name}: {values.dtype} values, the environment "
                f"has {describe(space)}.",
                f"Store them as {wanted}.",
            )
        if wanted.kind in "iu" and values.size:
            limits = np.iinfo(wanted)
            if int(values.min()) < limits.min or int(values.max()) > limits.max:
                raise InvalidValueError(
                    f"{self.source}: episode {index}, {name}: values from {values.min()} to "
                    f"{values.max()} do not fit the environment's {describe(space)}.",
                    "Use demonstrations of this environment.",
                )
        return values.astype(wanted, copy=False)


def _shaped(values: np.ndarray, space: Space[Any]) -> np.ndarray:
    """Single numbers (n,) as vectors (n, 1), where the space has these."""
    return values[:, None] if values.ndim == 1 and space.shape == (1,) else values


def _precision(space: Space[Any]) -> np.dtype[Any]:
    """The dtype in which a space's values are kept: everything is computed in float32."""
    dtype = np.dtype(space.dtype)
    return np.dtype(np.float32) if dtype == np.float64 else dtype


def check_finite(source: object, index: int, episode: Trajectory) -> None:
    """Refuses NaN and infinity.

    Raises:
        InvalidValueError: Naming the field and the step.
    """
    fields = {"obs": episode.obs, "acts": episode.acts}
    if isinstance(episode, TrajectoryWithRew):
        fields["rews"] = episode.rews
    for name, values in fields.items():
        if values.dtype.kind != "f" or np.isfinite(values).all():
            continue
        bad = ~np.isfinite(values.reshape(len(values), -1))
        step, place = np.argwhere(bad)[0]
        raise InvalidValueError(
            f"{source}: episode {index}, {name}: {values.reshape(len(values), -1)[step, place]} "
            f"at step {step}.",
            "Leave the episode out, or repair what recorded it.",
        )


def check_uniform(source: object, episodes: Sequence[Trajectory]) -> tuple[np.ndarray, np.ndarray]:
    """Refuses an empty source, and episodes of different environments in one.

    Args:
        source: For messages.
        episodes: Each is asked for once.

    Returns:
        Lengths (n,) int64 and terminal flags (n,) bool of the episodes.

    Raises:
        InvalidValueError: Naming the first episode that differs from episode 0.
    """
    if not len(episodes):
        raise no_episodes(source)
    first: Trajectory | None = None
    lengths, terminal = np.empty(len(episodes), np.int64), np.empty(len(episodes), bool)
    for index, episode in enumerate(episodes):
        first = first or episode
        lengths[index], terminal[index] = len(episode), episode.terminal
        if isinstance(episode, TrajectoryWithRew) != isinstance(first, TrajectoryWithRew):
            raise InvalidValueError(
                f"{source}: episode {index}, rews: of episodes 0 and {index} one has rewards and "
                "the other has not.",
                "Put those with rewards and those without into different files.",
            )
        for name in ("obs", "acts", "rews"):
            mine, other = (getattr(t, name, np.empty(0)) for t in (episode, first))
            if (mine.shape[1:], mine.dtype) != (other.shape[1:], other.dtype):
                raise InvalidValueError(
                    f"{source}: episode {index}, {name}: {mine.dtype} of shape {mine.shape[1:]} "
                    f"per step, episode 0 has {other.dtype} of shape {other.shape[1:]}.",
                    "Episodes of different environments belong into different files.",
                )
    return lengths, terminal


def no_episodes(source: object) -> InvalidValueError:
    """There is nothing in it."""
    return InvalidValueError(
        f"{source} holds no episodes.", "Record some first: airl demos record path=... ."
    )


def lengths_of(episodes: Sequence[Trajectory]) -> np.ndarray:
    """Steps of each episode (n,), without reading a stored file's arrays."""
    lengths = getattr(episodes, "lengths", None)
    return np.asarray([len(t) for t in episodes] if lengths is None else lengths, dtype=np.int64)


def returns_of(episodes: Sequence[Trajectory]) -> np.ndarray:
    """True returns (n,); empty where rewards are unknown."""
    known = getattr(episodes, "returns", None)
    if known is not None:
        return np.asarray(known)
    if not all(isinstance(t, TrajectoryWithRew) for t in episodes):
        return np.empty(0)
    return np.array([t.rews.sum(dtype=np.float64) for t in episodes])  # type: ignore[attr-defined]
