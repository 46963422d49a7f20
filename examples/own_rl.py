"""Plain Stable-Baselines3 PPO, with its default hyperparameters, on a reward that AIRL learned.

    airl train env=cartpole hydra.run.dir=outputs/cartpole
    python examples/own_rl.py outputs/cartpole

Prints the mean true return of the new policy, which never saw the true reward.
"""

import argparse

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecNormalize

import airl_cli
from airl_cli.rewards import RewardVecEnvWrapper


def main() -> None:
    """Trains a policy on the reward and scores it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="a directory that airl train made, or hf://owner/name")
    parser.add_argument("--steps", type=int, default=150_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)  # fastest for small nets

    env = airl_cli.load_run(args.run).env_spec()  # any VecEnv with the same spaces will do
    reward = airl_cli.load_reward(args.run)  # within the range in which it was learned
    venv = RewardVecEnvWrapper(env.make(args.seed, n_envs=1), reward.predict)
    venv = VecNormalize(venv, norm_obs=False)  # rewards on the scale that PPO's defaults expect

    algorithm = PPO("MlpPolicy", venv, seed=args.seed, device="cpu")
    algorithm.learn(args.steps, progress_bar=False)

    fresh = env.make(args.seed + 1000, n_envs=1)  # the environment's own reward again
    mean, std = evaluate_policy(algorithm, fresh, 50, deterministic=False)
    print(f"{env.id}, seed {args.seed}, {args.steps:,} steps: true return {mean:,.1f} ± {std:,.1f}")


if __name__ == "__main__":
    main()
