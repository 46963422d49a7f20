"""A run directory while it is written."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from filelock import FileLock
from gymnasium import spaces
from stable_baselines3.common.logger import Logger

from airl_cli.data.digest import trajectories_digest
from airl_cli.data.spaces import space_to_dict
from airl_cli.errors import InvalidValueError
from airl_cli.evaluation import mean, plots
from airl_cli.runs import layout
from airl_cli.runs.authorship import sign
from airl_cli.runs.checkpoint import (
    Checkpoint,
    CheckpointPlan,
    newest_checkpoint,
    remove_remains,
)
from airl_cli.runs.loggers import RunLogger
from airl_cli.runs.machine import describe_machine, record_resumption
from airl_cli.runs.metrics import cut_logs, read_metrics
from airl_cli.runs.progress import make_progress
from airl_cli.runs.recorder import RoundRecorder, Trainer, in_words
from airl_cli.runs.signals import InterruptGuard, Requeued, exit_status
from airl_cli.runs.status import StatusFile, end_without_result
from airl_cli.runs.trackers import RunFacts
from airl_cli.runs.verify import write_run_manifest
from airl_cli.serialization import write_json

if TYPE_CHECKING:
    from airl_cli.evaluation import Baseline, Evaluation
    from airl_cli.experts import Demonstrations


class Run:
    """A run directory from its creation to its result; a context manager.

    Leaving the block without `finish` or with an exception never loses what was learned: the
    weights of the last complete round are kept, and `status.json` says what happened. With
    checkpoints a run can also be resumed (`Run.reopen`), whatever ended the process.

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
        before: frozenset[str] | None = None,
        reopened: bool = False,
        resumed: Checkpoint | None = None,
        accepted: Callable[[], None] | None = None,
    ) -> None:
        self.path = path
        self.config = config
        self.log = logging.getLogger("airl_cli.run")
        self.result: dict[str, Any] = {}
        self._lock = lock
        self._keep_failed = multirun
        self._before = before
        self._reopened = reopened
        self._accepted = accepted
        self._begun = False
        self._guard = InterruptGuard()
        self._recorder = RoundRecorder(
            path,
            make_progress(verbose=verbose, live=not multirun, report=self.log.info),
            self._guard,
            checkpoints,
            resumed,
        )
        self._resumable = checkpoints is not None
        self._logger: RunLogger | None = None
        self._sweep = path.resolve().parent.name if multirun else None
        self._demonstrations: Demonstrations | None = None
        self._random: Baseline | None = None
        self._status = StatusFile(path, self._recorder)
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
        accepted: Callable[[], None] | None = None,
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
            accepted: Called when the directory is taken and may be written to.

        Raises:
            InvalidValueError: If the directory cannot be written or holds a run already.
        """
        folder = Path(path)
        before = layout.entries(folder)
        _refuse_existing(folder)
        lock = layout.lock_run(folder)
        try:
            _refuse_existing(folder)  # another process may have been faster
            run = cls(
                *(folder, config, lock),
                verbose=verbose,
                multirun=multirun,
                checkpoints=checkpoints,
                before=before,
                accepted=accepted,
            )
            run._begin(None)
            if observation_space is not None and action_space is not None:
                run.set_spaces(observation_space, action_space)
        except BaseException:
            lock.release()
            raise
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
        accepted: Callable[[], None] | None = None,
    ) -> Run:
        """Resume a run from its newest checkpoint that is whole, or from the start.

        Nothing in the directory changes before `train` begins. What the logs hold beyond that
        checkpoint is then removed: it will be written again.

        Args:
            path: A run directory.
            config: Takes the place of the recorded one.
            verbose: As in `create`.
            multirun: As in `create`.
            checkpoints: As in `create`.
            accepted: Called when training begins.

        Raises:
            InvalidValueError: If another process is at it, or it cannot be written.
        """
        folder = Path(path)
        layout.refuse_links(folder)
        lock = layout.lock_run(folder)
        try:
            resumed = newest_checkpoint(folder)
        except BaseException:
            lock.release()
            raise
        run = cls(
            *(folder, config, lock),
            verbose=verbose,
            multirun=multirun,
            checkpoints=checkpoints,
            reopened=True,
            resumed=resumed,
            accepted=accepted,
        )
        run.log.info(
            "resuming %s %s",
            folder,
            f"after {in_words(resumed.rounds)}" if resumed else "from the start: no checkpoint",
        )
        return run

    def _begin(self, resumed: Checkpoint | None) -> None:
        """The first change on disk: config, machine and status; logs are cut to the checkpoint."""
        if self._begun:
            return
        self._begun = True
        if self._reopened:
            remove_remains(self.path)
            cut_logs(self.path, resumed.notes.logs if resumed else {})
            record_resumption(self.path / layout.ENVIRONMENT, resumed.rounds if resumed else 0)
        else:
            write_json(self.path / layout.ENVIRONMENT, describe_machine())
        write_json(self.path / layout.CONFIG, self.config)
        sign(self.path)
        self._status.write("running")
        if self._accepted is not None:
            self._accepted()

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
        if self._resumable:
            self._recorder.digest = trajectories_digest(demonstrations.trajectories)
        if self._begun:
            write_json(self.path / layout.PROVENANCE, demonstrations.provenance)

    def attach(self, logger: Logger) -> Logger:
        """Takes a logger along, which learns of the run's begin and end; gives it back.

        Raises:
            AirlError: If it cannot work: something is not installed, or cannot be reached.
        """
        if isinstance(logger, RunLogger):
            logger.check()
            self._logger = logger
        return logger

    @property
    def has_checkpoint(self) -> bool:
        """Whether it is resumed from one."""
        return self._recorder.resumed is not None

    def train(self, trainer: Trainer, total_timesteps: int) -> None:
        """Trains from where the run stands to the end, with checkpoints.

        Ctrl-C and SIGTERM wait for the end of the round and its checkpoint; a second one does not.

        Args:
            trainer: Complete.
            total_timesteps: Of the whole run.

        Raises:
            InvalidValueError: If the checkpoint is of other settings or demonstrations.
        """
        rounds = self._recorder.restore(trainer)
        self._begin(self._recorder.resumed)
        if self._demonstrations is not None:
            write_json(self.path / layout.PROVENANCE, self._demonstrations.provenance)
        callback = self.after_round(trainer, total_timesteps=total_timesteps)
        with self._guard.deferred(self._say_deferred):
            trainer.train(total_timesteps, callback, completed_rounds=rounds)

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
        self._begin(self._recorder.resumed)
        if not (self.path / layout.SPACES).exists():
            self.set_spaces(trainer.venv.observation_space, trainer.venv.action_space)
        if total_timesteps is None:
            total_timesteps = self.config.get("trainer", {}).get("total_timesteps")
        if self._logger is not None:
            self._logger.begin(RunFacts(self.path, self.config, self._sweep))
        return self._recorder.follow(
            trainer,
            total_timesteps // trainer.gen_train_timesteps if total_timesteps else None,
            expert_return=_mean(self._demonstrations),
            random_return=_mean(self._random),
            on_checkpoint=lambda: self._status.write("running"),
        )

    def finish(self, trainer: Trainer, evaluation: Evaluation) -> dict[str, Any]:
        """Write the final weights, `result.json` and the plots; gives the result.

        Args:
            trainer: Trained.
            evaluation: Of its policy.
        """
        self._recorder.stop()
        self._recorder.keep_final(trainer)
        demonstrations = self._demonstrations
        self.result = evaluation.result(
            env_steps=self._recorder.env_steps,
            rounds=self._recorder.rounds,
            train_seconds=round(self._recorder.train_seconds, 3),
            expert_seconds=round(demonstrations.seconds, 3) if demonstrations else None,
            n_demonstrations=len(demonstrations.trajectories) if demonstrations else None,
            **trainer.learned_facts(),
        )
        write_json(self.path / layout.EVALUATION, evaluation)
        write_json(self.path / layout.RESULT, self.result)
        pictures = plots.draw_training(
            self.path / layout.PLOTS,
            read_metrics(self.path / layout.METRICS),
            evaluation,
            trainer.reward_test,
            expert=demonstrations.trajectories[0] if demonstrations else None,
            random=self._random.episode if self._random else None,
        )
        if self._logger is not None:
            files = (self.path / layout.CONFIG, self.path / layout.RESULT, *pictures)
            self._logger.finish(self.result, self._recorder.env_steps, files)
        self._status.write("finished")
        self._complete = True
        return self.result

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
        self._recorder.stop()
        if self._complete:  # what comes after `finish` is not the run's concern
            self._end_logs("finished")
            with suppress(OSError, InvalidValueError):  # the disk is full; the result is there
                write_run_manifest(self.path)
            return
        ended = "failed"
        if self._begun:
            ended = end_without_result(error, self._recorder, self._status, discard=self._discard)
        self._end_logs(ended)
        if error is None or isinstance(error, Requeued):  # which carries its exit status
            return
        if (code := exit_status(error)) is not None:
            raise SystemExit(code) from error

    def _discard(self) -> bool:
        return not self._keep_failed and layout.discard(self.path, self._before)

    def _end_logs(self, status: str) -> None:
        if self._logger is not None:
            self._logger.end(status)


def _refuse_existing(folder: Path) -> None:
    if (folder / layout.STATUS).exists():
        raise InvalidValueError(
            f"{folder} holds a run already",
            "Choose another directory, resume the run (resume=<directory>), or remove it.",
        )


def _mean(reference: Demonstrations | Baseline | None) -> float:
    return math.nan if reference is None else mean(reference.returns)
