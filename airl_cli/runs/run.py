"""A run directory while it is written."""

from __future__ import annotations

import logging
import math
import os
import shutil
import time
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from filelock import FileLock
from gymnasium import spaces

from airl_cli.data.digest import trajectories_digest
from airl_cli.data.spaces import space_to_dict
from airl_cli.errors import AirlError, InvalidValueError
from airl_cli.evaluation import mean
from airl_cli.reporting.progress import make_progress
from airl_cli.runs import layout
from airl_cli.runs.checkpoints import HasWeights, Snapshot
from airl_cli.runs.interrupts import InterruptGuard, exit_status
from airl_cli.runs.lock import lock_run, refuse_links
from airl_cli.runs.logs import cut_logs, log_sizes
from airl_cli.runs.machine import describe_machine, record_resumption
from airl_cli.runs.metrics import MetricsWriter, read_metrics
from airl_cli.runs.resumable import (
    Checkpoint,
    CheckpointPlan,
    CheckpointWriter,
    newest_checkpoint,
    remove_remains,
)
from airl_cli.seeding import load_global_rng_state
from airl_cli.serialization import write_json

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

    from airl_cli.evaluation import Baseline, Evaluation
    from airl_cli.experts import Demonstrations


class Trainer(HasWeights, Protocol):
    """What is needed of a `RoundTrainer` here."""

    gen_train_timesteps: int
    venv: VecEnv

    @property
    def stats(self) -> Mapping[str, float]:
        """Numbers of the newest round."""

    def state_dict(self) -> dict[str, Any]:
        """Everything the next round depends on."""

    def load_state_dict(self, state: Mapping[str, Any]) -> bool:
        """Puts it back; says whether the open episodes go on."""

    def train(
        self, total_timesteps: int, callback: Callable[[int], None], *, completed_rounds: int = 0
    ) -> None:
        """Trains round by round."""


class Run:
    """A run directory from its creation to its result; a context manager.

    Leaving the block without `finish` or with an exception never loses what was learned: the
    weights of the last complete round are kept, and `status.json` says what happened. With
    checkpoints a run can also be gone on with (`Run.reopen`), whatever ended the process.

    ```python
    with Run.create(path, config=plain_config, checkpoints=CheckpointPlan()) as run:
        ...                                         # random baseline, expert, trainer
        run.set_references(demonstrations, random)
        run.train(trainer, total_timesteps)
        run.finish(trainer, evaluate(trainer.policy, env, ...))
    ```

    Attributes:
        path: The directory.
        config: The resolved config.
        log: Logger for messages to the user; `print`-like at level INFO.
        result: What `result.json` holds, once finished.
    """

    def __init__(
        self,
        path: Path,
        config: Mapping[str, Any],
        lock: FileLock,
        *,
        verbose: bool,
        multirun: bool,
        checkpoints: CheckpointPlan | None,
        reopened: bool = False,
        resumed: Checkpoint | None = None,
    ) -> None:
        self.path = path
        self.config = config
        self.log = logging.getLogger("airl_cli.run")
        self.result: dict[str, Any] = {}
        self._lock = lock
        self._progress = make_progress(verbose=verbose, live=not multirun, report=self.log.info)
        self._keep_failed = multirun or reopened
        self._guard = InterruptGuard()
        self._resumed = resumed
        self._checkpoints = (
            CheckpointWriter(path, checkpoints, resumed.rounds if resumed else None)
            if checkpoints
            else None
        )
        self._digest: str | None = None
        self._demonstrations: Demonstrations | None = None
        self._random: Baseline | None = None
        self._metrics: MetricsWriter | None = None
        self._snapshot: Snapshot | None = None
        self._train_seconds = 0.0
        self._env_steps = 0
        self._started = _now()
        self._complete = False

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        config: Mapping[str, Any],
        observation_space: spaces.Space | None = None,
        action_space: spaces.Space | None = None,
        verbose: bool = True,
        multirun: bool = False,
        checkpoints: CheckpointPlan | None = None,
    ) -> Run:
        """Start a run directory.

        Args:
            path: The directory; may exist (Hydra makes it) but hold no run yet.
            config: Plain mappings, lists and scalars, every interpolation resolved: loading reads
                nothing else.
            observation_space: Of one environment; by default taken from the trainer.
            action_space: Likewise.
            verbose: Whether training shows its progress.
            multirun: One of several jobs: no live display, and a failed job keeps its directory.
            checkpoints: When to write some; None: never, and the run cannot be resumed.

        Raises:
            InvalidValueError: If the directory cannot be written or holds a run already.
        """
        folder = Path(path)
        if (folder / layout.STATUS).exists():
            raise InvalidValueError(
                f"{folder} holds a run already",
                "Choose another directory, go on with it (resume=<directory>), or remove it.",
            )
        lock = lock_run(folder)
        run = cls(folder, config, lock, verbose=verbose, multirun=multirun, checkpoints=checkpoints)
        write_json(folder / layout.ENVIRONMENT, describe_machine())
        write_json(folder / layout.CONFIG, config)
        run._write_status("running")
        if observation_space is not None and action_space is not None:
            run.set_spaces(observation_space, action_space)
        return run

    @classmethod
    def reopen(
        cls,
        path: str | Path,
        *,
        config: Mapping[str, Any],
        verbose: bool = True,
        multirun: bool = False,
        checkpoints: CheckpointPlan,
    ) -> Run:
        """Go on with a run from its newest checkpoint that is whole, or from the start.

        What the logs hold beyond that checkpoint is removed: it will be written again.

        Args:
            path: A run directory.
            config: Takes the place of the recorded one.
            verbose: As in `create`.
            multirun: As in `create`.
            checkpoints: As in `create`.

        Raises:
            InvalidValueError: If another process is at it, or it cannot be written.
        """
        folder = Path(path)
        refuse_links(folder)
        lock = lock_run(folder)
        remove_remains(folder)
        resumed = newest_checkpoint(folder)
        run = cls(
            folder,
            config,
            lock,
            verbose=verbose,
            multirun=multirun,
            checkpoints=checkpoints,
            reopened=True,
            resumed=resumed,
        )
        run.log.info(
            "going on with %s %s",
            folder,
            f"after {_rounds(resumed.rounds)}" if resumed else "from the start: no checkpoint",
        )
        cut_logs(folder, dict(resumed.notes.get("logs") or {}) if resumed else {})
        record_resumption(folder / layout.ENVIRONMENT, resumed.rounds if resumed else 0)
        write_json(folder / layout.CONFIG, config)
        run._write_status("running")
        return run

    def set_spaces(self, observation_space: spaces.Space, action_space: spaces.Space) -> None:
        """Record the spaces that the nets are built for."""
        write_json(
            self.path / layout.SPACES,
            {
                "observation_space": space_to_dict(observation_space),
                "action_space": space_to_dict(action_space),
            },
        )

    def set_references(self, demonstrations: Demonstrations, random: Baseline) -> None:
        """Record what the learner is compared with, and where the demonstrations came from."""
        self._demonstrations = demonstrations
        self._random = random
        write_json(self.path / layout.PROVENANCE, demonstrations.provenance)
        if self._checkpoints is not None:
            self._digest = trajectories_digest(demonstrations.trajectories)

    def train(self, trainer: Trainer, total_timesteps: int) -> None:
        """Trains from where the run stands to the end, with checkpoints.

        Ctrl-C and SIGTERM wait for the end of the round and its checkpoint; a second one does not.

        Args:
            trainer: Complete.
            total_timesteps: Of the whole run.

        Raises:
            InvalidValueError: If the checkpoint is of other settings or demonstrations.
        """
        rounds = self._restore(trainer)
        callback = self.after_round(trainer, total_timesteps=total_timesteps)
        with self._guard.deferred(self._say_deferred):
            trainer.train(total_timesteps, callback, completed_rounds=rounds)

    def _restore(self, trainer: Trainer) -> int:
        """Puts the checkpoint into the trainer; gives the completed rounds."""
        resumed = self._resumed
        if resumed is None:
            return 0
        if resumed.notes.get("demonstrations") != self._digest:
            raise InvalidValueError(
                "the demonstrations are not those that the run began with.",
                "Restore what they came from (the expert's cache, the data set).",
            )
        if not trainer.load_state_dict(resumed.trainer):
            self.log.warning(
                "these environments cannot be brought back into the middle of an episode: new "
                "episodes begin, and the run will not end as it would have without interruption"
            )
        load_global_rng_state(resumed.random)
        self._train_seconds = float(resumed.notes.get("train_seconds", 0.0))
        self._env_steps = int(resumed.notes.get("env_steps", 0))
        self._snapshot = Snapshot.take(trainer, resumed.rounds)
        return resumed.rounds

    def _say_deferred(self) -> None:
        self.log.warning("stopping after this round and a checkpoint; once more stops at once")

    def after_round(
        self, trainer: Trainer, *, total_timesteps: int | None = None
    ) -> Callable[[int], None]:
        """The callback for `trainer.train`: writes metrics, shows progress, copies the weights.

        Args:
            trainer: The trainer, complete; its spaces are recorded now.
            total_timesteps: What `train` will get; by default the config's
                `trainer.total_timesteps`.
        """
        if not (self.path / layout.SPACES).exists():
            self.set_spaces(trainer.venv.observation_space, trainer.venv.action_space)
        if total_timesteps is None:
            total_timesteps = self.config.get("trainer", {}).get("total_timesteps")
        done = self._resumed.rounds if self._resumed else 0
        total = total_timesteps // trainer.gen_train_timesteps if total_timesteps else None
        self._progress.start(
            total,
            expert_return=_mean(self._demonstrations),
            random_return=_mean(self._random),
            done=done,
        )
        self._metrics = MetricsWriter(self.path / layout.METRICS, keep_rounds=done)
        start = time.perf_counter() - self._train_seconds

        def callback(round_number: int) -> None:
            self._train_seconds = time.perf_counter() - start
            # First the row: it may explain why the weights below are refused.
            row = {**trainer.stats, "seconds": round(self._train_seconds, 3)}
            assert self._metrics is not None
            self._metrics.write(row)
            self._env_steps = int(row.get("env_steps", 0))
            self._snapshot = Snapshot.take(trainer, rounds=round_number + 1)
            self._progress.update(row)
            self._checkpoint(trainer, round_number + 1, last=round_number + 1 == total)
            self._guard.give_way()

        return callback

    def _checkpoint(self, trainer: Trainer, rounds: int, last: bool) -> None:
        writer = self._checkpoints
        if writer is None or not (last or self._guard.pending or writer.due(rounds)):
            return
        notes = {
            "train_seconds": self._train_seconds,
            "env_steps": self._env_steps,
            "demonstrations": self._digest,
            "logs": log_sizes(self.path),
        }
        if writer.write(rounds, trainer, notes):
            self._write_status("running")

    def finish(self, trainer: Trainer, evaluation: Evaluation) -> dict[str, Any]:
        """Write the final weights, `result.json` and the plots; gives the result.

        Args:
            trainer: Trained.
            evaluation: Of its policy.
        """
        self._progress.stop()
        rounds = self._snapshot.rounds if self._snapshot else 0
        self._snapshot = Snapshot.take(trainer, rounds)
        self._snapshot.save(self.path, layout.FINAL)
        demonstrations = self._demonstrations
        self.result = evaluation.result(
            env_steps=self._env_steps,
            rounds=rounds,
            train_seconds=round(self._train_seconds, 3),
            expert_seconds=round(demonstrations.seconds, 3) if demonstrations else None,
            n_demonstrations=len(demonstrations.trajectories) if demonstrations else None,
        )
        write_json(self.path / layout.EVALUATION, evaluation)
        write_json(self.path / layout.RESULT, self.result)
        self._plot(trainer, evaluation)
        self._write_status("finished")
        self._complete = True
        return self.result

    def _plot(self, trainer: Any, evaluation: Evaluation) -> None:
        from airl_cli.reporting import plots

        folder = self.path / layout.PLOTS
        plots.learning_curve(
            read_metrics(self.path / layout.METRICS),
            mean(evaluation.expert_returns),
            mean(evaluation.random_returns),
            folder / "learning_curve.png",
        )
        if self._demonstrations is not None and self._random is not None:
            plots.reward_along_episodes(
                trainer.reward_test,
                self._demonstrations.trajectories[0],
                self._random.episode,
                folder / "reward.png",
            )

    def __enter__(self) -> Run:
        self._guard.install()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._close(error)
        finally:
            self._guard.remove()
            self._lock.release()

    def _close(self, error: BaseException | None) -> None:
        self._progress.stop()
        if self._metrics is not None:
            self._metrics.close()
        if self._complete:  # what comes after `finish` is not the run's concern
            return
        if error is None:
            self._keep_weights()
            self._write_status("failed", "the run ended without a result")
            return
        status = exit_status(error)
        if status is not None:
            self._interrupted(error, status)
        self._failed(error)

    def _interrupted(self, error: BaseException, status: int) -> None:
        kept = self._keep_weights()
        self._write_status("interrupted", f"{type(error).__name__}; {kept}")
        self.log.warning("interrupted; %s", kept)
        raise SystemExit(status) from error

    def _failed(self, error: BaseException) -> None:
        is_mistake = isinstance(error, AirlError) and error.exit_code == 2
        if is_mistake and not self._keep_failed and discard_empty(self.path):
            return
        kept = self._keep_weights()
        text = str(error) if isinstance(error, AirlError) else f"{type(error).__name__}: {error}"
        trace = None if is_mistake else "".join(traceback.format_exception(error))
        self._write_status("failed", text, traceback=trace)
        if self._snapshot is not None:
            self.log.warning("the run failed; %s", kept)

    def _keep_weights(self) -> str:
        """Sees to it that the newest weights are on disk; says where, and how to go on."""
        snapshot, writer = self._snapshot, self._checkpoints
        resume = f"airl train resume={self.path}"
        if snapshot is None:
            return "no round was completed" + (f"; start over with {resume}" if writer else "")
        kept = f"the weights after {_rounds(snapshot.rounds)} are in"
        if writer is not None and writer.rounds == snapshot.rounds:
            folder = self.path / layout.CHECKPOINTS / str(snapshot.rounds)
            return f"{kept} {folder}; nothing is lost: go on with {resume}"
        try:
            kept = f"{kept} {snapshot.save(self.path)}"
        except (AirlError, OSError) as error:
            kept = f"the weights after {_rounds(snapshot.rounds)} cannot be written: {error}"
        if writer is None:
            return kept
        since = f"from round {writer.rounds}" if writer.rounds else "from the start"
        return f"{kept}; go on {since} with {resume}"

    def _write_status(self, status: str, reason: str = "", **more: Any) -> None:
        try:
            write_json(self.path / layout.STATUS, self._status(status, reason, **more))
        except OSError as error:  # the disk is full: say what else there is to say
            self.log.warning("%s cannot be written: %s", layout.STATUS, error.strerror or error)

    def _status(self, status: str, reason: str, **more: Any) -> dict[str, Any]:
        return {
            "status": status,
            "reason": reason,
            "rounds": self._snapshot.rounds if self._snapshot else 0,
            "checkpoint": self._checkpoints.rounds if self._checkpoints else None,
            "pid": os.getpid(),
            "started": self._started,
            "written": _now(),
            **{key: value for key, value in more.items() if value is not None},
        }


def discard_empty(path: str | Path) -> bool:
    """Remove a run directory that holds nothing but preliminaries; says whether it did.

    Preliminaries are Hydra's `.hydra/`, log files and what a run writes before its first round.
    The current directory is never removed.
    """
    folder = Path(path)
    if folder.resolve() in (Path.cwd(), *Path.cwd().parents):
        return False
    entries = list(folder.iterdir()) if folder.is_dir() else []
    if not all(entry.name in layout.PREAMBLE or entry.suffix == ".log" for entry in entries):
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return True


def _rounds(number: int) -> str:
    return "1 round" if number == 1 else f"{number} rounds"


def _mean(reference: Demonstrations | Baseline | None) -> float:
    return math.nan if reference is None else mean(reference.returns)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
