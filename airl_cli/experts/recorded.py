"""Demonstrations that were recorded somewhere, brought into the form that the environment wants."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from airl_cli.data.checks import Fitting
from airl_cli.data.formats import Recording
from airl_cli.data.spaces import describe, same_space
from airl_cli.data.storage import TrajectoryFile
from airl_cli.data.stored import StoredEpisodes, StoredTransitions
from airl_cli.data.transitions import check_every, subsample, subsample_indices
from airl_cli.errors import InvalidValueError
from airl_cli.experts.base import Demonstrations, describe_demonstrations, log
from airl_cli.seeding import derive_seed

if TYPE_CHECKING:
    from airl_cli.envs import EnvSpec

MEBIBYTE = 2**20


@dataclass(frozen=True)
class Selection:
    """What of a recording is used.

    Attributes:
        n_episodes: How many episodes, drawn by the run's seed; None: all.
        subsample: Every k-th transition is trained on.
        clip_actions: Move actions outside a Box to its nearest bound instead of refusing them.
        sha256: What the recording's must be; None: anything.
        memory_limit: Mebibytes; a larger file of this package's own format stays on the disk, and
            transitions are read as they are drawn.

    Raises:
        InvalidValueError: If a number is out of range.
    """

    n_episodes: int | None = None
    subsample: int = 1
    clip_actions: bool = False
    sha256: str | None = None
    memory_limit: float = 256

    def __post_init__(self) -> None:
        if self.n_episodes is not None and self.n_episodes < 1:
            raise InvalidValueError(f"expert.n_episodes={self.n_episodes} must be positive")
        check_every(self.subsample)


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
    fitting = Fitting(recording.source, *env.spaces(), clip_actions=selection.clip_actions)
    _compare_spaces(recording, fitting, env)
    demonstrations = _select(recording, selection, fitting, seed)
    described = describe_demonstrations(
        demonstrations.trajectories,
        seed=seed,
        streamed=isinstance(demonstrations.samples, StoredTransitions),
        **_origin(recording),
        **provenance,
        subsample=selection.subsample,
        clip_actions=selection.clip_actions,
    )
    mean = described["return_mean"]
    log.info(
        f"{recording.source}: {described['n_episodes']} episodes, "
        f"{described['n_transitions']:,} transitions, "
        + (f"return {mean:,.1f}" if mean is not None else "rewards unknown")
    )
    return Demonstrations(
        trajectories=demonstrations.trajectories,
        policy=None,
        provenance=described,
        seconds=time.perf_counter() - started,
        samples=demonstrations.samples,
    )


def _compare_spaces(recording: Recording, fitting: Fitting, env: EnvSpec) -> None:
    for theirs, ours, name in (
        (recording.observation_space, fitting.observation_space, "observation"),
        (recording.action_space, fitting.action_space, "action"),
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
    recording: Recording, selection: Selection, fitting: Fitting, seed: int
) -> Demonstrations:
    file = recording.trajectories
    numbers = _choose(recording, selection.n_episodes, seed)
    rng = np.random.default_rng(derive_seed(seed, "subsample"))
    limit = selection.memory_limit * MEBIBYTE
    if isinstance(file, TrajectoryFile) and file.nbytes > limit:
        for number in numbers.tolist():  # looked at, and forgotten
            fitting.fit(number, file[number])
        transitions = None
        if len(numbers) < len(file) or selection.subsample > 1:
            transitions = _transitions(file, numbers, selection.subsample, rng)
        return Demonstrations(
            StoredEpisodes(file, numbers, fitting.fit),
            policy=None,
            samples=StoredTransitions(file, transitions, fitting.cast),
        )
    episodes = file.load() if isinstance(file, TrajectoryFile) else file
    trajectories = [fitting.fit(number, episodes[number]) for number in numbers.tolist()]
    samples = None
    if selection.subsample > 1:
        samples = subsample(trajectories, selection.subsample, rng)
    return Demonstrations(trajectories, policy=None, samples=samples)


def _choose(recording: Recording, n_episodes: int | None, seed: int) -> np.ndarray:
    available = len(recording.trajectories)
    if n_episodes is None or n_episodes == available:
        return np.arange(available)
    if n_episodes > available:
        raise InvalidValueError(
            f"expert.n_episodes={n_episodes} is more than the {available} in {recording.source}.",
            f"Set it to at most {available}, or to null for all.",
        )
    rng = np.random.default_rng(derive_seed(seed, "demonstrations"))
    return np.sort(rng.choice(available, n_episodes, replace=False))


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
