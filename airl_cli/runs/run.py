"""A run directory while it is written."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
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
from airl_cli.runs.checkpoint import (
    Checkpoint,
    CheckpointPlan,
    newest_checkpoint,
    remove_remains,
)
from airl_cli.runs.layout import lock_run, refuse_links
from airl_cli.runs.loggers import RunLogger
from airl_cli.runs.machine import describe_machine, record_resumption
from airl_cli.runs.metrics import cut_logs, read_metrics
from airl_cli.runs.progress import make_progress
from airl_cli.runs.recorder import RoundRecorder, Trainer, in_words
from airl_cli.runs.signals import InterruptGuard, exit_status
from airl_cli.runs.status import StatusFile, end_without_result
from airl_cli.runs.trackers import RunFacts
from airl_cli.serialization import write_json

if TYPE_CHECKING:
    from airl_cli.evaluation import Baseline, Evaluation
    from airl_cli.experts import Demonstrations


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
        self._keep_failed = multirun or reopened
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
        run._status.write("running")
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
            f"after {in_words(resumed.rounds)}" if resumed else "from the start: no checkpoint",
        )
        cut_logs(folder, dict(resumed.notes.get("logs") or {}) if resumed else {})
        record_resumption(folder / layout.ENVIRONMENT, resumed.rounds if resumed else 0)
        write_json(folder / layout.CONFIG, config)
        run._status.write("running")
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
        if self._resumable:
            self._recorder.digest = trajectories_digest(demonstrations.trajectories)

    def attach(self, logger: Logger) -> Logger:
        """Takes a logger along, which learns of the run's begin and end; gives it back.

        Raises:
            AirlError: If it cannot work: something is not installed, or cannot be reached.
        """
        if isinstance(logger, RunLogger):
            logger.check()
            self._logger = logger
        return logger

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
            return
        ended = end_without_result(
            error, self.path, self._recorder, self._status, keep_failed=self._keep_failed
        )
        self._end_logs(ended)
        if error is not None and (code := exit_status(error)) is not None:
            raise SystemExit(code) from error

    def _end_logs(self, status: str) -> None:
        if self._logger is not None:
            self._logger.end(status)


def _mean(reference: Demonstrations | Baseline | None) -> float:
    return math.nan if reference is None else mean(reference.returns)
