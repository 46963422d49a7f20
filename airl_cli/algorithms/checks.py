"""What a trainer refuses before it trains, and how it says so."""

from __future__ import annotations

from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from airl_cli.errors import InvalidTypeError, InvalidValueError
from airl_cli.rewards.base import RewardNet, check_supported_space


def check_generator(gen_algo: BaseAlgorithm) -> None:
    """Refuses algorithms whose buffers cannot be priced.

    Raises:
        InvalidTypeError: Neither on-policy nor off-policy, or an n-step replay buffer.
    """
    if not isinstance(gen_algo, OnPolicyAlgorithm | OffPolicyAlgorithm):
        raise InvalidTypeError(
            f"{type(gen_algo).__name__} is no Stable-Baselines3 algorithm with a rollout or "
            "replay buffer.",
            "Use an on-policy (PPO, A2C, TRPO) or off-policy (SAC, TQC) algorithm.",
        )
    replay = getattr(gen_algo, "replay_buffer", None)
    if getattr(replay, "n_steps", 1) > 1:
        raise InvalidTypeError(
            f"{type(gen_algo).__name__} sums rewards over {replay.n_steps} steps when it "  # type: ignore[union-attr]
            "stores them; the learned reward is known only when they are drawn.",
            "Set generator.n_steps=1.",
        )


def check_minibatch_size(batch_size: int, minibatch_size: int | None) -> int:
    """The minibatch size to use.

    Raises:
        InvalidValueError: Not positive, or no divisor of the batch size.
    """
    if batch_size < 1:
        raise InvalidValueError(
            f"demo_batch_size={batch_size} is no batch.", "Give at least 1, for example 512."
        )
    size = batch_size if minibatch_size is None else minibatch_size
    if size < 1 or batch_size % size:
        divisors = [n for n in range(1, batch_size + 1) if batch_size % n == 0]
        nearest = min(divisors, key=lambda n: abs(n - size))
        raise InvalidValueError(
            f"demo_minibatch_size={size} does not divide demo_batch_size={batch_size}.",
            f"Set trainer.demo_minibatch_size={nearest}, or null for whole batches.",
        )
    return size


def check_spaces(venv: VecEnv, gen_algo: BaseAlgorithm, reward_net: RewardNet) -> None:
    """Refuses spaces that cannot be handled, and a reward net made for another environment.

    Raises:
        InvalidTypeError: `Dict` and other composite spaces.
        InvalidValueError: The spaces of environment and reward net differ.
    """
    check_supported_space(venv.observation_space, "observation space")
    check_supported_space(venv.action_space, "action space")
    for name in ("observation_space", "action_space"):
        ours: spaces.Space = getattr(venv, name)
        theirs: spaces.Space = getattr(reward_net, name)
        if type(ours) is not type(theirs) or ours.shape != theirs.shape:
            raise InvalidValueError(
                f"the reward net was made for the {name} {theirs}; the environment has {ours}.",
                "Build it with the environment's spaces.",
            )
