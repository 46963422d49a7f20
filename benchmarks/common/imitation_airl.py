"""AIRL of `imitation` 1.0.1 with its own settings; runs in that library's virtual environment.

CartPole: the example of its documentation. HalfCheetah: the hyperparameters that it ships for
seals/HalfCheetah, of which a policy with 32-32 units on normalised observations and a reward whose
output is normalised are a part. The wrapper that records rollouts is left out: the demonstrations
come from a file, and training is a little faster without it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import seals  # noqa: F401 - registers the environments
import torch
from imitation.algorithms.adversarial.airl import AIRL
from imitation.data.types import Trajectory
from imitation.policies.base import FeedForward32Policy, NormalizeFeaturesExtractor
from imitation.rewards.reward_nets import BasicShapedRewardNet, NormalizedRewardNet
from imitation.util.logger import configure
from imitation.util.networks import RunningNorm
from imitation.util.util import make_vec_env
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.ppo import MlpPolicy

ENV_IDS = {"cartpole": "seals/CartPole-v0", "half_cheetah": "seals/HalfCheetah-v1"}
GENERATORS: dict[str, dict[str, Any]] = {
    "cartpole": {
        "policy": MlpPolicy,
        "n_steps": 2048,
        "batch_size": 64,
        "n_epochs": 5,
        "learning_rate": 5e-4,
        "gamma": 0.95,
        "clip_range": 0.1,
        "vf_coef": 0.1,
        "ent_coef": 0.0,
    },
    "half_cheetah": {
        "policy": FeedForward32Policy,
        "policy_kwargs": {
            "features_extractor_class": NormalizeFeaturesExtractor,
            "features_extractor_kwargs": {"normalize_class": RunningNorm},
        },
        "n_steps": 1024,
        "batch_size": 64,
        "n_epochs": 5,
        "learning_rate": 4.7248619386801587e-4,
        "gamma": 0.95,
        "gae_lambda": 0.95,
        "clip_range": 0.1,
        "ent_coef": 5.544771755195421e-4,
        "vf_coef": 0.11483689492120866,
        "max_grad_norm": 0.8,
    },
}


def make_venv(task: str, seed: int) -> VecEnv:
    """Eight copies of the task's environment in this process."""
    return make_vec_env(ENV_IDS[task], rng=np.random.default_rng(seed), n_envs=8)


def make_generator(task: str, venv: VecEnv, seed: int) -> PPO:
    """PPO with the library's settings."""
    generator = PPO(env=venv, seed=seed, device="cpu", **GENERATORS[task])
    generator.set_logger(Logger(None, []))  # its own would leave an empty folder in /tmp
    return generator


def make_trainer(task: str, venv: VecEnv, demonstrations: Path, seed: int, logs: Path) -> AIRL:
    """The trainer, on one thread.

    Args:
        task: `cartpole` or `half_cheetah`.
        venv: To train in.
        demonstrations: `.npz` with `obs`, `acts`, `lengths`.
        seed: Of everything.
        logs: Folder for the library's logs.
    """
    torch.set_num_threads(1)
    net = BasicShapedRewardNet(
        observation_space=venv.observation_space,
        action_space=venv.action_space,
        normalize_input_layer=RunningNorm,
    )
    if task == "half_cheetah":
        net = NormalizedRewardNet(net, RunningNorm)
    return AIRL(
        demonstrations=load(demonstrations),
        demo_batch_size=2048,
        gen_replay_buffer_capacity=512,
        n_disc_updates_per_round=16,
        venv=venv,
        gen_algo=make_generator(task, venv, seed),
        reward_net=net,
        custom_logger=configure(logs, ["csv"]),
        log_dir=logs,
    )


def load(path: Path) -> list[Trajectory]:
    """The episodes of an `.npz` with `obs`, `acts`, `lengths` and `terminal`."""
    with np.load(path) as file:
        obs, acts, lengths = file["obs"], file["acts"], file["lengths"]
        terminal = file["terminal"] if "terminal" in file else np.zeros(len(lengths), bool)
    episodes, row, step = [], 0, 0
    for length, ended in zip(lengths, terminal, strict=True):
        episode = obs[row : row + length + 1], acts[step : step + length]
        episodes.append(Trajectory(*episode, infos=None, terminal=bool(ended)))
        row, step = row + length + 1, step + length
    return episodes
