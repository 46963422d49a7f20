"""A run whose rounds take no time, with a logger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stable_baselines3.common.logger import Logger

from airl_cli.runs import Run
from airl_cli.runs.checkpoint import CheckpointPlan
from airl_cli.runs.loggers import make_logger

CONFIG: dict[str, Any] = {
    "seed": 3,
    "reward": {"_target_": "airl_cli.rewards.BasicRewardNet", "hid_sizes": [32, 32]},
    "generator": {"_target_": "a.PPO", "_partial_": True, "learning_rate": 0.5, "target_kl": None},
    "trainer": {"total_timesteps": 1000, "normalize_gen_reward": True},
    "verbose": False,
}


def begin(path: Path, formats: list[Any], config: dict[str, Any] = CONFIG, **kwargs: Any) -> Run:
    """A new run with these trackers."""
    run = Run.create(path, config=config, verbose=False, **kwargs)
    run.attach(make_logger(path, formats))
    return run


def resume(path: Path, formats: list[Any], config: dict[str, Any] = CONFIG) -> Run:
    """The run again, from its start: nothing here writes checkpoints."""
    run = Run.reopen(path, config=config, verbose=False, checkpoints=CheckpointPlan(every=None))
    run.attach(make_logger(path, formats))
    return run


def play(run: Run, trainer: Any, rounds: int, first: int = 0) -> None:
    """Rounds of a trainer, with numbers recorded as real trainers do."""
    logger: Logger | None = run._logger
    assert logger is not None
    callback = run.after_round(trainer)
    for number in range(first, first + rounds):
        trainer.round(number)
        logger.record("disc/disc_loss", 1.0 / (number + 1))
        logger.record("rollout/true_return_mean", trainer.stats["true_return_mean"])
        logger.record("time/iterations", number, exclude="tensorboard")
        logger.dump(int(trainer.stats["env_steps"]))
        callback(number)
