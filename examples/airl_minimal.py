"""AIRL on CartPole, top to bottom, from the parts of the library.

A reading companion of algorithm 1 in Fu, Luo & Levine 2018 (arXiv 1710.11248): what `airl train`
does, without options, files and checks. Run it with

    python examples/airl_minimal.py

It trains an expert, learns a reward and a policy from its episodes, and trains a new policy on
that reward.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import torch as th
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import VecEnv

from airl_cli.algorithms.batch import TransitionBatch
from airl_cli.algorithms.discriminator import Discriminator
from airl_cli.algorithms.log_prob import action_log_prob
from airl_cli.algorithms.regularization import GradientPenalties
from airl_cli.algorithms.relabel import RelabelledVecEnv, RewardScale, relabel_rollout
from airl_cli.algorithms.rollouts import RecordingVecEnv
from airl_cli.algorithms.samples import ArraySampler, GeneratorBuffer
from airl_cli.data import rollout
from airl_cli.data.types import TrajectoryWithRew
from airl_cli.envs import make_vec_env
from airl_cli.generators import FastPPO
from airl_cli.rewards import BasicShapedRewardNet

ENV = "seals/CartPole-v0"  # 500 steps an episode, whether the pole falls or not
GAMMA = 0.99

Reward = Callable[[TransitionBatch], np.ndarray]
"""From transitions (n) to rewards (n,)."""


def make_env(seed: int) -> VecEnv:
    """Eight copies of the environment."""
    return make_vec_env(ENV, rng=np.random.default_rng(seed), n_envs=8)


def ppo(env: VecEnv, seed: int, learning_rate: float, **kwargs: float) -> FastPPO:
    """A new policy, and the algorithm that trains it."""
    settings = {"n_steps": 256, "batch_size": 256, "n_epochs": 20, "gamma": GAMMA, **kwargs}
    schedule = LinearSchedule(learning_rate, 0.0, 1.0)
    return FastPPO("MlpPolicy", env, schedule, seed=seed, device="cpu", **settings)  # type: ignore[arg-type]


def episodes(policy: FastPPO, n_episodes: int, seed: int) -> list[TrajectoryWithRew]:
    """Whole episodes of sampled actions."""
    until = rollout.make_sample_until(min_episodes=n_episodes)
    return list(rollout.rollout(policy, make_env(seed), until, rng=np.random.default_rng(seed)))


def mean_return(trajectories: list[TrajectoryWithRew]) -> float:
    """On the environment's own reward."""
    return float(np.mean([trajectory.rews.sum() for trajectory in trajectories]))


class LearnedReward(BaseCallback):
    """Gives a generator a learned reward: relabels each rollout before the policy's update.

    Args:
        env: What the generator steps; it returns zeros.
        reward: The learned reward; its entropy term is added here.
        before: Called with the newest transitions before they are relabelled.
    """

    def __init__(
        self, env: VecEnv, reward: Reward, before: Callable[[TransitionBatch], None]
    ) -> None:
        super().__init__()
        self.recorder = RecordingVecEnv(env)
        self.env = RelabelledVecEnv(self.recorder, lambda batch, _: reward(batch))
        self.env.deferred = True
        self.reward, self.before = reward, before
        self.scale = RewardScale(True, env.num_envs, GAMMA)

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        collected = self.recorder.pop()
        batch = collected.transitions()
        self.before(batch)
        with th.no_grad():
            log_pi = action_log_prob(self.model.policy, batch.obs, batch.acts).numpy()
        rewards = (self.reward(batch) - log_pi).reshape(collected.shape)  # log D - log(1 - D)
        rewards = self.scale(rewards, collected.ends)
        last_obs = self.recorder.last_observation()
        assert last_obs is not None and isinstance(self.model, FastPPO)
        relabel_rollout(self.model, rewards, last_obs, collected.ends[-1])


def airl(demonstrations: list[TrajectoryWithRew], steps: int, seed: int) -> tuple[FastPPO, Reward]:
    """Learns a policy and a reward (algorithm 1)."""
    env, rng = make_env(seed), np.random.default_rng(seed)
    net = BasicShapedRewardNet(env.observation_space, env.action_space, discount_factor=GAMMA)
    expert = ArraySampler(
        TransitionBatch.of(vars(rollout.flatten_trajectories(demonstrations))), rng
    )
    samples = GeneratorBuffer(2048, rng)  # of the newest rollout: all by the present policy

    def logits(batch: TransitionBatch) -> th.Tensor:
        """Of `D = exp(f) / (exp(f) + pi(a|s))`, f being g(s, a) + gamma h(s') - h(s)."""
        with th.no_grad():
            log_pi = action_log_prob(generator.policy, batch.obs, batch.acts)
        return net(*net.preprocess(*batch)) - log_pi

    discriminator = Discriminator(
        net,
        logits,
        minibatch_size=512,
        penalties=GradientPenalties(rng=rng),
        opt_kwargs={"lr": 3e-3},
    )

    def update_discriminator(batch: TransitionBatch) -> None:
        samples.store(batch)
        for _ in range(8):
            discriminator.update(expert.sample(512), samples.sample(512), remaining=1.0)

    learned = LearnedReward(env, lambda b: net.predict(*b.arrays()), update_discriminator)
    generator = ppo(learned.env, seed, 3e-3)
    generator.learn(steps, callback=learned)  # lines 3 to 6, round by round
    return generator, lambda batch: net.base.predict(*batch.arrays())  # g without the shaping


def retrain(reward: Reward, steps: int, seed: int) -> FastPPO:
    """A new policy on a fixed reward."""
    learned = LearnedReward(make_env(seed), reward, lambda _: None)
    generator = ppo(learned.env, seed, 3e-3)
    return generator.learn(steps, callback=learned)


def main() -> dict[str, float]:
    """Prints the mean returns of expert, imitating and retrained policy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--expert-steps", type=int, default=81_920)
    parser.add_argument("--steps", type=int, default=98_304)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    th.set_num_threads(1)
    seeds = [int(s) for s in np.random.SeedSequence(args.seed).generate_state(6)]
    expert = ppo(make_env(seeds[0]), seeds[0], 1e-3, n_steps=32, gamma=0.98, gae_lambda=0.8)
    demonstrations = episodes(expert.learn(args.expert_steps), 32, seeds[1])
    policy, reward = airl(demonstrations, args.steps, seeds[2])
    again = retrain(reward, args.steps, seeds[3])
    returns = {
        "expert": mean_return(demonstrations),
        "AIRL": mean_return(episodes(policy, 32, seeds[4])),
        "new policy on the learned reward": mean_return(episodes(again, 32, seeds[5])),
    }
    for name, value in returns.items():
        print(f"{name}: {value:.1f}")
    return returns


if __name__ == "__main__":
    main()
