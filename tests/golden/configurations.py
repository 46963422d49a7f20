"""Small trainings whose results are recorded, to show that a restructuring changed nothing.

`python tests/golden/configurations.py` writes `digests.json` anew: only in a change that means to
move a number, and says so.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import sb3_contrib
import stable_baselines3 as sb3
import torch as th
from stable_baselines3.common.utils import set_random_seed
from torch import nn

import airl_cli
from airl_cli import rewards
from airl_cli.data import rollout
from airl_cli.envs import make_vec_env
from airl_cli.generators import FastPPO

DIGESTS = Path(__file__).parent / "digests.json"

PPO = {"n_steps": 32, "batch_size": 32, "n_epochs": 2}
GENERATORS: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "fast_ppo": (FastPPO, "CartPole", PPO),
    "fast_ppo_box": (FastPPO, "Pendulum", PPO),
    "ppo": (sb3.PPO, "CartPole", PPO),
    "a2c": (sb3.A2C, "CartPole", {"n_steps": 16}),
    "trpo": (sb3_contrib.TRPO, "CartPole", {"n_steps": 32, "batch_size": 32}),
    "sac": (sb3.SAC, "Pendulum", {"learning_starts": 40, "batch_size": 32}),
}
NETS: dict[str, Callable[..., rewards.RewardNet]] = {
    "shaped": rewards.BasicShapedRewardNet,
    "state_only": lambda *spaces: rewards.BasicShapedRewardNet(*spaces, use_action=False),
    "ensemble": lambda *spaces: rewards.RewardEnsemble(
        *spaces, [rewards.BasicRewardNet(*spaces) for _ in range(2)]
    ),
    "normalised": lambda *spaces: rewards.BasicShapedRewardNet(
        *spaces, normalize_input_layer=rewards.RunningNorm
    ),
}
SAMPLES: dict[str, dict[str, Any]] = {
    "newest": {},
    "rounds": {"gen_replay_buffer_capacity": 256},
    "reservoir": {"gen_replay_buffer_capacity": 96, "gen_replay_reservoir": True},
    "minibatches": {"demo_minibatch_size": 16},
}


def names() -> Iterator[str]:
    """All configurations: trainer, generator, net and samples."""
    for trainer in ("AIRL", "GAIL"):
        for generator in GENERATORS:
            yield f"{trainer}-{generator}-shaped-newest"
        for net in ("state_only", "ensemble", "normalised"):
            yield f"{trainer}-fast_ppo-{net}-newest"
        for samples in ("rounds", "reservoir", "minibatches"):
            yield f"{trainer}-fast_ppo-normalised-{samples}"
            yield f"{trainer}-sac-shaped-{samples}"


def train(name: str) -> dict[str, nn.Module]:
    """Trains a configuration for three rounds; its policy and reward net."""
    trainer, generator, net, samples = name.split("-")
    algorithm, env, settings = GENERATORS[generator]
    threads = th.get_num_threads()
    th.set_num_threads(1)
    set_random_seed(3)
    try:
        venv = make_vec_env(
            f"seals/{env}-v0" if env == "CartPole" else f"{env}-v1",
            rng=np.random.default_rng(1),
            n_envs=2,
        )
        gen_algo = algorithm("MlpPolicy", venv, seed=2, device="cpu", **settings)
        demonstrations = rollout.rollout(
            None,
            venv,
            rollout.make_sample_until(min_episodes=2),
            rng=np.random.default_rng(4),
        )
        venv.seed(5)
        learner = getattr(airl_cli, trainer)(
            demonstrations=demonstrations,
            demo_batch_size=32,
            venv=venv,
            gen_algo=gen_algo,
            reward_net=NETS[net](venv.observation_space, venv.action_space),
            rng=np.random.default_rng(6),
            gen_train_timesteps=64 if generator == "sac" else None,
            **SAMPLES[samples],
        )
        learner.train(3 * learner.gen_train_timesteps)
    finally:
        th.set_num_threads(threads)
    return {"policy": learner.policy, "reward": learner.reward_train}


def fingerprint(module: nn.Module) -> dict[str, Any]:
    """A digest of all weights, and their root mean square for machines that round otherwise."""
    weights = [tensor.detach().cpu().numpy() for tensor in module.state_dict().values()]
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(w).tobytes() for w in weights))
    flat = np.concatenate([w.astype(float).ravel() for w in weights])
    return {"sha256": digest.hexdigest()[:32], "rms": float(np.sqrt(np.mean(flat**2)))}


def machine() -> dict[str, str]:
    """What the last bit of a result depends on beside the code."""
    return {
        "torch": th.__version__,
        "numpy": np.__version__,
        "processor": processor(),
    }


def processor() -> str:
    """The processor's name and the instructions that torch uses of it."""
    found = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model")]
        found = " / ".join(sorted(set(" ".join(line.split()) for line in lines)))
    return f"{found} {th.backends.cpu.get_cpu_capability()}"


def main() -> None:
    """Writes `digests.json`."""
    results = {
        name: {part: fingerprint(module) for part, module in train(name).items()}
        for name in names()
    }
    DIGESTS.write_text(json.dumps({"machine": machine(), "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
