"""AIRL of airl-cli as `airl train` sets it up, for measuring it from inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from airl_cli.algorithms import AdversarialTrainer
from airl_cli.commands.job import prepare_process
from airl_cli.config import conf_dir
from airl_cli.config.instantiation import instantiate
from airl_cli.config.validation import TRAIN_KEYS, validated
from airl_cli.quiet import leave_no_log_folder

Config = dict[str, Any]


def composed(*overrides: str) -> Config:
    """The config that `airl train <overrides>` would use; sets threads and seeds, too."""
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = validated(compose("train", list(overrides)), TRAIN_KEYS)
    prepare_process(config)
    return config


def make_generator(config: Config, venv: VecEnv) -> BaseAlgorithm:
    """The generator, untrained."""
    generator = instantiate(config["generator"])(env=venv, seed=config["seed"])
    leave_no_log_folder(generator)
    return generator


def make_trainer(
    config: Config, venv: VecEnv, demonstrations: Any, logs: Path
) -> AdversarialTrainer:
    """The trainer.

    Args:
        config: Of `composed`.
        venv: To train in.
        demonstrations: What the trainer takes.
        logs: Folder for logs; nothing is written for the default logger.
    """
    return instantiate(config["trainer"], *TRAIN_KEYS["trainer"])(
        demonstrations=demonstrations,
        venv=venv,
        gen_algo=make_generator(config, venv),
        reward_net=instantiate(config["reward"])(venv.observation_space, venv.action_space),
        log_dir=logs,
    )


def recorded_demonstrations(config: Config, seed: int) -> Any:
    """The expert's, as `airl train` would take them: `expert=trajectories expert.path=...`."""
    env = instantiate(config["env"])
    return instantiate(config["expert"]).demonstrations(env, seed=seed).for_training
