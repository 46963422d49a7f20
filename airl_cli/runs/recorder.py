"""What a run keeps of its rounds: metrics, progress, weights, checkpoints."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from airl_cli.errors import AirlError, InvalidValueError, one_line
from airl_cli.runs import layout
from airl_cli.runs.checkpoint import (
    Checkpoint,
    CheckpointPlan,
    CheckpointWriter,
    HasWeights,
    save_final_weights,
    save_good_weights,
)
from airl_cli.runs.metrics import MetricsWriter, log_sizes
from airl_cli.runs.progress import Progress
from airl_cli.runs.signals import InterruptGuard
from airl_cli.seeding import load_global_rng_state

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

log = logging.getLogger("airl_cli.run")


class Trainer(HasWeights, Protocol):
    """What is needed of a `RoundTrainer` here."""

    gen_train_timesteps: int
    venv: VecEnv

    @property
    def reward_test(self) -> Any:
        """The learned reward, as it is used after training; None where none is learned."""

    @property
    def stats(self) -> Mapping[str, float]:
        """Numbers of the newest round."""

    def learned_facts(self) -> dict[str, Any]:
        """What belongs to the learned reward besides its weights: keys of `result.json`."""

    def state_dict(self) -> dict[str, Any]:
        """Everything the next round depends on."""

    def load_state_dict(self, state: Mapping[str, Any]) -> bool:
        """Restores it; says whether the open episodes were restored."""

    def train(
        self, total_timesteps: int, callback: Callable[[int], None], *, completed_rounds: int = 0
    ) -> None:
        """Trains round by round."""


class RoundRecorder:
    """Follows a trainer from round to round.

    Args:
        run: The run directory.
        progress: Shows the rounds.
        guard: Tells when to stop.
        plan: When to write checkpoints; None: never.
        resumed: The checkpoint to resume from.

    Attributes:
        digest: Of the demonstrations; a checkpoint belongs to one.
        rounds: Completed rounds.
        resumed: As given.
        train_seconds: Wall-clock time of all rounds.
        env_steps: Environment steps of all rounds.
    """

    def __init__(
        self,
        run: Path,
        progress: Progress,
        guard: InterruptGuard,
        plan: CheckpointPlan | None,
        resumed: Checkpoint | None,
    ) -> None:
        self._run = run
        self._progress = progress
        self._guard = guard
        self.resumed = resumed
        self._metrics: MetricsWriter | None = None
        self._writer = (
            CheckpointWriter(run, plan, resumed.rounds if resumed else None) if plan else None
        )
        self.digest: str | None = None
        self.rounds = 0
        self._trainer: Trainer | None = None
        self.train_seconds = 0.0
        self.env_steps = 0

    @property
    def checkpoint(self) -> int | None:
        """Completed rounds at the newest checkpoint."""
        return self._writer.rounds if self._writer else None

    def restore(self, trainer: Trainer) -> int:
        """Loads the checkpoint into the trainer; gives the completed rounds.

        Raises:
            InvalidValueError: If the checkpoint is of other settings or demonstrations.
        """
        resumed = self.resumed
        if resumed is None:
            return 0
        if resumed.notes.demonstrations != self.digest:
            raise InvalidValueError(
                "the demonstrations are not those that the run began with.",
                "Restore what they came from (the expert's cache, the data set).",
            )
        if not trainer.load_state_dict(resumed.trainer):
            log.warning(
                "these environments cannot be restored in the middle of an episode: new episodes "
                "begin, and the result will differ from that of an uninterrupted run"
            )
        load_global_rng_state(resumed.random)
        self.train_seconds = resumed.notes.train_seconds
        self.env_steps = resumed.notes.env_steps
        self.rounds = resumed.rounds
        return resumed.rounds

    def follow(
        self,
        trainer: Trainer,
        total_rounds: int | None,
        *,
        expert_return: float,
        random_return: float,
        on_checkpoint: Callable[[], None],
    ) -> Callable[[int], None]:
        """The callback for `trainer.train`.

        Args:
            trainer: Complete.
            total_rounds: How many there will be; None: not known.
            expert_return: To compare the learner with; NaN where not known.
            random_return: Likewise.
            on_checkpoint: Called when one was written.
        """
        done = self.resumed.rounds if self.resumed else 0
        self._progress.start(
            total_rounds, expert_return=expert_return, random_return=random_return, done=done
        )
        self._metrics = MetricsWriter(self._run / layout.METRICS, keep_rounds=done)
        start = time.perf_counter() - self.train_seconds
        self._trainer = trainer

        def callback(round_number: int) -> None:
            self.train_seconds = time.perf_counter() - start
            row = {**trainer.stats, "seconds": round(self.train_seconds, 3)}
            assert self._metrics is not None
            self._metrics.write(row)
            self.env_steps = int(row.get("env_steps", 0))
            self.rounds = round_number + 1
            self._progress.update(row)
            if self._checkpoint(trainer, last=round_number + 1 == total_rounds):
                on_checkpoint()
            self._guard.give_way()

        return callback

    def _checkpoint(self, trainer: Trainer, last: bool) -> bool:
        """Writes one if it is due; says whether it did."""
        writer, rounds = self._writer, self.rounds
        if writer is None or not (last or self._guard.pending or writer.due(rounds)):
            return False
        notes = {
            "train_seconds": self.train_seconds,
            "env_steps": self.env_steps,
            "demonstrations": self.digest,
            "logs": log_sizes(self._run),
        }
        return writer.write(rounds, trainer, notes)

    def keep_final(self, trainer: Trainer) -> None:
        """Writes the weights under the name `final`."""
        save_final_weights(trainer, self._run)

    def keep_weights(self) -> str:
        """Makes sure that the newest weights are on disk; says where, and how to resume."""
        rounds, writer, trainer = self.rounds, self._writer, self._trainer
        resume = f"airl train resume={self._run}"
        if not rounds or trainer is None:
            return "no round was completed" + (f"; start again with {resume}" if writer else "")
        kept = f"the weights after {in_words(rounds)} are in"
        if writer is not None and writer.rounds == rounds:
            folder = self._run / layout.CHECKPOINTS / str(rounds)
            return f"{kept} {folder}; nothing is lost: resume with {resume}"
        try:
            kept = f"{kept} {save_good_weights(trainer, self._run, str(rounds))}"
        except (AirlError, OSError) as error:
            kept = f"the weights after {in_words(rounds)} cannot be written: {one_line(error)}"
        if writer is None:
            return kept
        since = f"from round {writer.rounds}" if writer.rounds else "from the start"
        return f"{kept}; resume {since} with {resume}"

    def stop(self) -> None:
        """Ends the display, and closes the metrics."""
        self._progress.stop()
        if self._metrics is not None:
            self._metrics.close()


def in_words(rounds: int) -> str:
    """A number of rounds."""
    return "1 round" if rounds == 1 else f"{rounds} rounds"
