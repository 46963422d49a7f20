"""Recorded demonstrations: files, folders and Minari datasets, checked against an environment."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from airl_cli.data import formats
from airl_cli.data.formats import Recording, minari
from airl_cli.data.spaces import describe, same_space
from airl_cli.data.storage import TrajectoryFile
from airl_cli.data.stored import StoredEpisodes, StoredTransitions
from airl_cli.data.transitions import subsample, subsample_indices
from airl_cli.data.validate import EpisodeValidator, returns_of
from airl_cli.envs.dynamics import time_limit
from airl_cli.errors import InvalidValueError
from airl_cli.experts.base import Demonstrations, describe_demonstrations, log
from airl_cli.limits import Count, NonNegative, Share, check_limits
from airl_cli.seeding import derive_seed
from airl_cli.text import return_text

if TYPE_CHECKING:
    from airl_cli.envs import EnvSpec

MEBIBYTE = 2**20


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which part of a recording is used, and how.

    Attributes:
        n_episodes: How many episodes, drawn by the run's seed; None: all.
        subsample: Every k-th transition is trained on.
        clip_actions: Move actions outside a Box to its nearest bound instead of refusing them.
        sha256: What the recording's must be; None: anything.
        memory_limit: Mebibytes; a larger `.safetensors` file stays on the disk, and transitions
            are read as they are drawn.
        terminal_at_limit: What a terminal end after exactly as many steps as the environment's time
            limit is taken for: `terminal` as recorded, or `truncated`, for recordings that mark
            time limits as terminal states.
        best: Share of the episodes that is used, those with the highest returns; None: all.
        use_actions: Show actions; False: observations alone.

    Raises:
        InvalidValueError: If a number is out of range.
    """

    n_episodes: Count | None = None
    subsample: Count = 1
    clip_actions: bool = False
    sha256: str | None = None
    memory_limit: NonNegative = 256
    terminal_at_limit: Literal["terminal", "truncated"] = "terminal"
    best: Share | None = None
    use_actions: bool = True

    def __post_init__(self) -> None:
        check_limits(Selection, vars(self))
        if self.terminal_at_limit not in ("terminal", "truncated"):
            raise InvalidValueError(
                f"terminal_at_limit={self.terminal_at_limit} is neither terminal nor truncated.",
                "Use one of these.",
            )


@dataclass(frozen=True)
class TrajectoriesExpert(Selection):
    """Trajectories in any of the formats of `airl_cli.data.formats`, recognised by their content.

    Args:
        path: File, folder, or `minari:<id>`.
        columns: Of fields (`obs`, `acts`, ...) to the names they have in the file.
        incomplete: What becomes of a last episode without an end: `keep` (as truncated) or `drop`.
        drop_last_action: For files with as many actions as observations in each episode.

    The other arguments are those of `Selection`.

    Raises:
        InvalidValueError: If a number is out of range.
    """

    path: str
    columns: Mapping[str, Any] | None = None
    incomplete: Literal["keep", "drop"] = "keep"
    drop_last_action: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._options()

    def _options(self) -> formats.Options:
        return formats.Options(self.columns, self.incomplete, self.drop_last_action)

    def demonstrations(self, env: EnvSpec, *, seed: int) -> Demonstrations:
        """The episodes of the file.

        Raises:
            NotFoundError: If there is no such file.
            InvalidValueError: If it is damaged, or does not fit `env`: file, episode and field
                are named.
        """
        read = partial(formats.read, self.path, **vars(self._options()))
        return recorded_demonstrations(read, env, self, seed=seed)


@dataclass(frozen=True)
class MinariExpert(Selection):
    """A Minari dataset, on this machine or downloaded by Minari.

    Args:
        dataset: Its id, such as `D4RL/door/human-v2`.
        download: Let Minari download it where it is missing.

    The other arguments are those of `Selection`.

    Raises:
        InvalidValueError: If a number is out of range.
    """

    dataset: str
    download: bool = False

    def demonstrations(self, env: EnvSpec, *, seed: int) -> Demonstrations:
        """The episodes of the dataset.

        Raises:
            NotFoundError: If Minari or the dataset is missing.
            InvalidTypeError: If it has spaces that are not supported.
            InvalidValueError: If it is damaged, or does not fit `env`.
        """
        return recorded_demonstrations(self._read, env, self, seed=seed, dataset=self.dataset)

    def _read(self) -> Recording:
        if self.download:
            minari.download(self.dataset)
        return formats.read(minari.PREFIX + self.dataset)


def recorded_demonstrations(
    read: Callable[[], Recording],
    env: EnvSpec,
    selection: Selection,
    *,
    seed: int,
    **provenance: Any,
) -> Demonstrations:
    """The episodes of a recording that are asked for, all of them checked.

    Args:
        read: Gives the recording.
        env: The environment that they are to fit.
        selection: Which, and how they are used.
        seed: The run's seed.
        **provenance: What to add to it.

    Raises:
        InvalidValueError: If an episode does not fit the environment; it is named.
    """
    started = time.perf_counter()
    recording = read()
    _check_digest(recording, selection.sha256)
    validator = EpisodeValidator(
        recording.source, *env.spaces(), clip_actions=selection.clip_actions
    )
    _compare_spaces(recording, validator, env)
    if selection.terminal_at_limit == "truncated":
        recording = truncated_at_limit(recording, time_limit(env))
    demonstrations = _select(recording, selection, validator, seed)
    described = describe_demonstrations(
        demonstrations.trajectories,
        seed=seed,
        streamed=isinstance(demonstrations.samples, StoredTransitions),
        **_origin(recording),
        **provenance,
        subsample=selection.subsample,
        clip_actions=selection.clip_actions,
        terminal_at_limit=selection.terminal_at_limit,
        best=selection.best,
    )
    mean = described["return_mean"]
    log.info(
        f"{recording.source}: {described['n_episodes']} episodes, "
        f"{described['n_transitions']:,} transitions, "
        + (f"return {return_text(mean)}" if mean is not None else "rewards unknown")
    )
    found = Demonstrations(
        trajectories=demonstrations.trajectories,
        policy=None,
        provenance=described,
        seconds=time.perf_counter() - started,
        samples=demonstrations.samples,
    )
    return found if selection.use_actions else found.without_actions()


def _compare_spaces(recording: Recording, validator: EpisodeValidator, env: EnvSpec) -> None:
    for theirs, ours, name in (
        (recording.observation_space, validator.observation_space, "observation"),
        (recording.action_space, validator.action_space, "action"),
    ):
        if theirs is not None and not same_space(theirs, ours):
            log.warning(
                f"the recording's {name} space is not that of {env.id}: {describe(theirs)} "
                f"instead of {describe(ours)}"
            )


def _origin(recording: Recording) -> dict[str, Any]:
    return {
        "source": recording.format,
        "path": recording.source,
        "sha256": recording.sha256,
        "verified": recording.verified,
        "recorded": recording.metadata,
    }


def _check_digest(recording: Recording, wanted: str | None) -> None:
    if wanted is not None and wanted.lower() != recording.sha256:
        raise InvalidValueError(
            f"{recording.source} has the SHA-256 {recording.sha256}, not expert.sha256={wanted}.",
            "It is another file, or damaged: get it again, or correct expert.sha256.",
        )


def _select(
    recording: Recording, selection: Selection, validator: EpisodeValidator, seed: int
) -> Demonstrations:
    file = recording.trajectories
    numbers = _choose(recording, selection, seed)
    rng = np.random.default_rng(derive_seed(seed, "subsample"))
    limit = selection.memory_limit * MEBIBYTE
    if isinstance(file, TrajectoryFile) and file.nbytes > limit:
        for number in numbers.tolist():  # looked at, and forgotten
            validator.validate(number, file[number])
        transitions = None
        if len(numbers) < len(file) or selection.subsample > 1:
            transitions = _transitions(file, numbers, selection.subsample, rng)
        return Demonstrations(
            StoredEpisodes(file, numbers, validator.validate),
            policy=None,
            samples=StoredTransitions(file, transitions, validator.cast),
        )
    episodes = file.load() if isinstance(file, TrajectoryFile) else file
    trajectories = [validator.validate(number, episodes[number]) for number in numbers.tolist()]
    samples = None
    if selection.subsample > 1:
        samples = subsample(trajectories, selection.subsample, rng)
    return Demonstrations(trajectories, policy=None, samples=samples)


def _choose(recording: Recording, selection: Selection, seed: int) -> np.ndarray:
    """Numbers of the episodes that are used, in their order."""
    candidates = np.arange(len(recording))
    if selection.best is not None:
        returns = returns_of(recording.trajectories)
        if not len(returns):
            raise InvalidValueError(
                f"{recording.source} has no rewards, so its best episodes are unknown.",
                "Leave expert.best at null.",
            )
        n_best = math.ceil(selection.best * len(returns))
        candidates = np.sort(np.argsort(-returns, kind="stable")[:n_best])
    n_episodes, available = selection.n_episodes, len(candidates)
    if n_episodes is None or n_episodes == available:
        return candidates
    if n_episodes > available:
        raise InvalidValueError(
            f"expert.n_episodes={n_episodes} is more than the {available} in {recording.source}.",
            f"Set it to at most {available}, or to null for all.",
        )
    rng = np.random.default_rng(derive_seed(seed, "demonstrations"))
    return np.sort(rng.choice(candidates, n_episodes, replace=False))


def truncated_at_limit(recording: Recording, limit: int | None) -> Recording:
    """The recording with episodes of exactly `limit` steps marked as truncated, not terminal."""
    episodes = recording.trajectories
    if isinstance(episodes, TrajectoryFile):
        episodes.terminal &= episodes.lengths != limit
        return recording
    changed = [replace(t, terminal=t.terminal and len(t) != limit) for t in episodes]
    return replace(recording, trajectories=changed)


def _transitions(
    file: TrajectoryFile, numbers: np.ndarray, every: int, rng: np.random.Generator
) -> np.ndarray:
    """Numbers, counted through the file, of the transitions to train on."""
    lengths = file.lengths[numbers]
    first_in_file = (np.cumsum(file.lengths) - file.lengths)[numbers]
    first_chosen = np.cumsum(lengths) - lengths
    chosen = subsample_indices(lengths, every, rng)
    episode = np.searchsorted(np.cumsum(lengths), chosen, side="right")
    return chosen - first_chosen[episode] + first_in_file[episode]
