"""`checkpoints/`: the weights of a run, and everything else that its next round depends on."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError
from torch import nn

from airl_cli.errors import AirlError, InvalidValueError, NotFoundError, one_line
from airl_cli.files import atomic_folder
from airl_cli.runs import layout
from airl_cli.runs.layout import MANIFEST
from airl_cli.runs.manifest import check_manifest, write_manifest
from airl_cli.runs.schema import CheckpointNotes
from airl_cli.seeding import global_rng_state
from airl_cli.serialization import (
    join,
    read_json,
    read_tensors,
    save_state,
    split,
    write_json,
    write_tensors,
)

FORMAT = 1

# Parts of a trainer's state that lie in files of their own, as loading for use wants them.
_OWN_FILES = {"policy": layout.POLICY_WEIGHTS, "reward_net": layout.REWARD_WEIGHTS}

log = logging.getLogger("airl_cli.run")


class HasWeights(Protocol):
    """What is needed of a `RoundTrainer` here."""

    good_weights: Any
    """State dicts after the newest complete round, by `policy` and `reward_net`."""

    @property
    def reward_net(self) -> nn.Module | None:
        """The reward net as it was given."""

    @property
    def policy(self) -> nn.Module:
        """The learner."""


def save_good_weights(trainer: HasWeights, run: Path, name: str) -> Path:
    """Writes the weights of the newest complete round to `checkpoints/<name>/`.

    Returns:
        The folder.
    """
    good, net = trainer.good_weights, trainer.reward_net
    if net is None:
        reward = None
    else:  # a fixed one is not among the weights that rounds change
        reward = good["reward_net"] if "reward_net" in good else net.state_dict()
    return _save(run, name, good["policy"], reward)


def save_final_weights(trainer: HasWeights, run: Path) -> Path:
    """Writes the weights that a trainer has in the end to `checkpoints/final/`.

    Returns:
        The folder.
    """
    net = trainer.reward_net
    reward = None if net is None else net.state_dict()
    return _save(run, layout.FINAL, trainer.policy.state_dict(), reward)


def _save(
    run: Path,
    name: str,
    policy: Mapping[str, torch.Tensor],
    reward: Mapping[str, torch.Tensor] | None,
) -> Path:
    folder = run / layout.CHECKPOINTS / name
    save_state(policy, folder / layout.POLICY_WEIGHTS)
    if reward is not None:
        save_state(reward, folder / layout.REWARD_WEIGHTS)
    return folder


def find_checkpoint(run: Path, name: str | int | None = None) -> Path:
    """The folder of a checkpoint: the named one, or `final`, or the newest.

    Raises:
        NotFoundError: If the run has no such checkpoint.
    """
    root = run / layout.CHECKPOINTS
    present = {p.name: p for p in root.iterdir() if p.is_dir()} if root.is_dir() else {}
    if name is not None:
        if str(name) in present:
            return present[str(name)]
        raise NotFoundError(
            f"{run} has no checkpoint {name!r}",
            f"It has: {', '.join(sorted(present)) or 'none'}.",
        )
    if layout.FINAL in present:
        return present[layout.FINAL]
    numbered = [folder for key, folder in present.items() if key.isdecimal()]
    if numbered:
        return max(numbered, key=lambda folder: int(folder.name))
    raise NotFoundError(f"{run} has no weights: no round was completed")


class HasState(Protocol):
    """What can be written down and put back."""

    def state_dict(self) -> dict[str, Any]:
        """See `RoundTrainer.state_dict`."""

    def load_state_dict(self, state: Mapping[str, Any]) -> bool:
        """See `RoundTrainer.load_state_dict`."""


@dataclass(frozen=True)
class CheckpointPlan:
    """When checkpoints are written, and how many stay.

    Attributes:
        every: Rounds from one to the next; None: only at the end and when interrupted.
        keep: How many stay on disk.
        share: Of the time, at most this goes into writing: where rounds are short or the state is
            large, checkpoints come less often than `every` says. None: no such limit.
    """

    every: int | None = 10
    keep: int = 2
    share: float | None = 0.02


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint, read back.

    Attributes:
        folder: Where it lies.
        rounds: Completed rounds.
        notes: What the run wrote beside the state.
        trainer: State of the trainer.
        random: State of the process's random generators.
    """

    folder: Path
    rounds: int
    notes: CheckpointNotes
    trainer: Mapping[str, Any]
    random: Mapping[str, Any]


class CheckpointWriter:
    """Writes a run's checkpoints when they are due.

    Args:
        run: The run directory.
        plan: When, and how many stay.
        rounds: Completed rounds at the start.

    Attributes:
        rounds: Completed rounds at the newest checkpoint; None before the first.
    """

    def __init__(self, run: Path, plan: CheckpointPlan, rounds: int | None = None) -> None:
        self._run = run
        self._plan = plan
        self.rounds = rounds
        self._seconds = 0.0  # that the last one took
        self._written_at = time.perf_counter()

    def due(self, rounds: int) -> bool:
        """Whether it is time for one after so many rounds."""
        plan = self._plan
        if plan.every is None or rounds - (self.rounds or 0) < plan.every:
            return False
        waited = time.perf_counter() - self._written_at
        return plan.share is None or waited * plan.share >= self._seconds

    def write(self, rounds: int, trainer: HasState, notes: Mapping[str, Any]) -> bool:
        """Writes one; says in the log, and with False, if that failed: training can go on."""
        start = time.perf_counter()
        try:
            write_checkpoint(self._run, rounds, trainer, notes)
            _prune(self._run / layout.CHECKPOINTS, self._plan.keep)
        except OSError as error:
            log.warning(
                "the checkpoint after round %d could not be written: %s; the newest is %s",
                rounds,
                error.strerror or error,
                f"that after round {self.rounds}" if self.rounds else "none",
            )
            return False
        finally:
            self._written_at = time.perf_counter()
            self._seconds = self._written_at - start
        self.rounds = rounds
        return True


def write_checkpoint(run: Path, rounds: int, trainer: HasState, notes: Mapping[str, Any]) -> Path:
    """Writes `checkpoints/<rounds>/`, whole or not at all.

    Args:
        run: The run directory.
        rounds: Completed rounds.
        trainer: Between two rounds.
        notes: Further JSON-able facts.

    Raises:
        OSError: If that fails; nothing is left of it.
    """
    target = run / layout.CHECKPOINTS / str(rounds)
    try:
        # What is there may be damaged, or weights without state that training came back to.
        with atomic_folder(target, replace=True) as folder:
            _write_files(folder, rounds, trainer, notes)
            write_manifest(folder)
    except (SafetensorError, InvalidValueError) as error:
        raise OSError(one_line(error)) from error
    return target


def _write_files(folder: Path, rounds: int, trainer: HasState, notes: Mapping[str, Any]) -> None:
    state = trainer.state_dict()
    for name, file in _OWN_FILES.items():
        if name in state:
            write_tensors(folder / file, state.pop(name))
    part, tensors = split({"trainer": state, "random": global_rng_state()})
    write_tensors(folder / layout.STATE_TENSORS, tensors)
    content = {"format": FORMAT, "rounds": rounds, "notes": dict(notes), **part}
    write_json(folder / layout.STATE, content)


def _prune(root: Path, keep: int) -> None:
    """Removes what is older than the newest `keep` complete checkpoints, and remains of others."""
    numbered = sorted(
        (path for path in root.iterdir() if path.name.isdecimal()), key=lambda p: int(p.name)
    )
    complete = [path for path in numbered if (path / MANIFEST).is_file()]
    oldest = int(complete[-keep:][0].name) if complete else 0
    for path in numbered:
        if int(path.name) < oldest:
            shutil.rmtree(path, ignore_errors=True)


def newest_checkpoint(run: Path) -> Checkpoint | None:
    """The newest checkpoint that is whole; says in the log which ones are not.

    None if there is none: the run has to start over.
    """
    root = run / layout.CHECKPOINTS
    numbered = [p for p in root.iterdir() if p.name.isdecimal()] if root.is_dir() else []
    for folder in sorted(numbered, key=lambda path: int(path.name), reverse=True):
        if not (folder / MANIFEST).exists() and not (folder / layout.STATE).exists():
            continue  # weights that a failed run left behind
        try:
            return read_checkpoint(folder)
        except AirlError as error:
            log.warning("the checkpoint %s cannot be used: %s", folder, error.problem)
    return None


def read_checkpoint(folder: Path) -> Checkpoint:
    """Reads a checkpoint after comparing it with its manifest.

    Raises:
        InvalidValueError: If it is damaged.
    """
    check_manifest(folder, required=(layout.STATE, layout.STATE_TENSORS, layout.POLICY_WEIGHTS))
    content = read_json(folder / layout.STATE)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InvalidValueError(f"{folder / layout.STATE} is not of format {FORMAT}")
    tensors = read_tensors(folder / layout.STATE_TENSORS)
    try:
        rounds = int(content["rounds"])
        notes = CheckpointNotes.model_validate(content["notes"])
        trainer, random = (dict(join(content[name], tensors)) for name in ("trainer", "random"))
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidValueError(f"{folder / layout.STATE} is damaged: {error!r}") from error
    for name, file in _OWN_FILES.items():
        if (folder / file).is_file():
            trainer[name] = read_tensors(folder / file)
    if folder.name != str(rounds):
        raise InvalidValueError(f"{folder} holds the state after round {rounds}")
    return Checkpoint(folder, rounds, notes, trainer, random)


def remove_remains(run: Path) -> None:
    """Removes what processes that died left half-written; only while the run is locked."""
    root = run / layout.CHECKPOINTS
    for path in root.iterdir() if root.is_dir() else ():
        if path.name.startswith(".") and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
