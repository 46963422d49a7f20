"""SB3's callbacks, by which a trainer takes part in `learn`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from stable_baselines3.common.callbacks import BaseCallback

if TYPE_CHECKING:
    from airl_cli.algorithms.rounds import RoundTrainer


class RolloutsCallback(BaseCallback):
    """Calls the trainer when SB3 has collected a rollout."""

    def __init__(self, trainer: RoundTrainer) -> None:
        super().__init__()
        self.trainer = trainer

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        self.trainer.after_rollout()


class RoundsCallback(RolloutsCallback):
    """Ends the trainer's rounds as well.

    SB3 updates the policy after a rollout's end, so a round ends where the next rollout begins.
    """

    def __init__(
        self, trainer: RoundTrainer, number: int, after_round: Callable[[int], None] | None
    ) -> None:
        super().__init__(trainer)
        self.number = number
        self._after_round = after_round

    def _on_training_start(self) -> None:
        self._begin()

    def _on_rollout_start(self) -> None:
        self._end_if_complete()

    def _on_training_end(self) -> None:
        self._end_if_complete()

    def _begin(self) -> None:
        self._first_step = self.trainer.gen_algo.num_timesteps
        self._started = time.perf_counter()

    def _end_if_complete(self) -> None:
        trainer = self.trainer
        if trainer.gen_algo.num_timesteps - self._first_step < trainer.gen_train_timesteps:
            return
        trainer.finish_round(self.number, time.perf_counter() - self._started)
        if self._after_round is not None:
            self._after_round(self.number)
        self.number += 1
        self._begin()
