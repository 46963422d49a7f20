"""Where the time of AIRL goes, phase by phase and function by function.

    python -m benchmarks.profile.where_time_goes --env cartpole --generator ppo
    python -m benchmarks.profile.where_time_goes --env half_cheetah --functions 25

The demonstrations are of random actions: what is learned is of no interest here, and no step takes
longer or shorter for it. Times are the process's own, without those of others. One torch thread.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch as th
from stable_baselines3 import PPO

from airl_cli.algorithms import AIRL
from airl_cli.data import rollout
from airl_cli.envs import make_vec_env
from airl_cli.features import NormalizedFeatures
from airl_cli.rewards import BasicShapedRewardNet, EMANorm
from benchmarks.common.phases import Phases

SETTINGS: dict[str, dict[str, Any]] = {
    "cartpole": {
        "id": "seals/CartPole-v0",
        "ppo": {"batch_size": 256, "n_epochs": 20, "learning_rate": 2e-3},
        "sizes": (32, 32),
    },
    "half_cheetah": {
        "id": "seals/HalfCheetah-v1",
        "ppo": {"batch_size": 256, "n_epochs": 10, "learning_rate": 3e-4},
        "sizes": (64, 64),
        "policy": {"log_std_init": -0.5, "features_extractor_class": NormalizedFeatures},
    },
}


def generator_settings(name: str) -> dict[str, Any]:
    """Arguments of PPO beside policy and environment."""
    settings = SETTINGS[name]
    policy_kwargs = {"optimizer_kwargs": {"fused": True}, **settings.get("policy", {})}
    own = {"n_steps": 256, "seed": 0, "device": "cpu", "policy_kwargs": policy_kwargs}
    return {**own, **settings["ppo"]}


def make_trainer(name: str, algorithm: Callable[..., Any]) -> AIRL:
    """AIRL with the settings of `name`, on demonstrations of random actions."""
    settings = SETTINGS[name]
    rng = np.random.default_rng(0)
    venv = make_vec_env(settings["id"], rng=rng)
    until = rollout.make_sample_until(min_episodes=8)
    demonstrations = rollout.rollout(None, venv, until, rng=rng)
    generator = algorithm("MlpPolicy", venv, **generator_settings(name))
    net = BasicShapedRewardNet(
        venv.observation_space,
        venv.action_space,
        reward_hid_sizes=settings["sizes"],
        potential_hid_sizes=settings["sizes"],
        normalize_input_layer=EMANorm,
    )
    return AIRL(
        demonstrations=demonstrations,
        demo_batch_size=512,
        venv=venv,
        gen_algo=generator,
        reward_net=net,
        n_disc_updates_per_round=4,
        gen_replay_buffer_capacity=8192,
        normalize_gen_reward=True,
        disc_opt_kwargs={"lr": 1e-3},
    )


def watch_phases(trainer: AIRL) -> Phases:
    """Watches the parts of a round."""
    phases, algorithm = Phases(), trainer.gen_algo
    phases.wrap(trainer, "_learn", "everything else")
    phases.wrap(trainer.venv, "step_wait", "environment")
    phases.wrap(trainer, "after_rollout", "pricing and samples")
    phases.wrap(trainer, "train_disc", "discriminator")
    phases.wrap(algorithm, "collect_rollouts", "rollout without environment")
    phases.wrap(algorithm, "train", "policy update")
    return phases


def main() -> None:
    """Trains for some rounds, and prints the shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", choices=SETTINGS, default="cartpole")
    parser.add_argument("--generator", choices=("ppo", "fast_ppo"), default="ppo")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--functions", type=int, default=0, help="print so many, by own time")
    arguments = parser.parse_args()
    th.set_num_threads(1)
    algorithms: dict[str, Any] = {"ppo": PPO}
    if arguments.generator == "fast_ppo":
        from airl_cli.generators import FastPPO

        algorithms["fast_ppo"] = FastPPO
    trainer = make_trainer(arguments.env, algorithms[arguments.generator])
    steps = arguments.rounds * trainer.gen_train_timesteps
    trainer.train(trainer.gen_train_timesteps)  # first calls are slower
    phases = watch_phases(trainer)
    started = time.process_time()
    trainer.train(steps)
    seconds = time.process_time() - started
    print(f"{arguments.env}, {arguments.generator}: {steps / seconds:,.0f} steps/s")
    for phase, spent in sorted(phases.seconds.items(), key=lambda item: -item[1]):
        print(f"  {phase:<28} {spent / seconds:6.1%} {1e6 * spent / steps:8.1f} us/step")
    if arguments.functions:
        profiler = cProfile.Profile(time.process_time)
        profiler.runcall(trainer.train, steps)
        pstats.Stats(profiler).sort_stats("tottime").print_stats(arguments.functions)


if __name__ == "__main__":
    main()
