"""What a trainer refuses before it trains, and how it says so."""

from __future__ import annotations

from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv

from airl_cli.algorithms.batch import TransitionBatch
from airl_cli.errors import InvalidValueError
from airl_cli.rewards.base import RewardNet
from airl_cli.rewards.encoding import check_supported_space


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


def check_updates(n_per_round: int, is_on_policy: bool) -> None:
    """Refuses a discriminator that would never be trained.

    Raises:
        InvalidValueError: No updates after an off-policy generator's training.
    """
    if not is_on_policy and n_per_round < 1:
        raise InvalidValueError(
            f"n_disc_updates_per_round={n_per_round} leaves the discriminator untrained: "
            "off-policy generators have no rollout to update it on before pricing.",
            "Set trainer.n_disc_updates_per_round to at least 1.",
        )


def check_label_smoothing(smoothing: float) -> float:
    """The smoothing to use.

    Raises:
        InvalidValueError: Outside of [0, 0.5): from there on the expert counts as the generator.
    """
    if not 0 <= smoothing < 0.5:
        raise InvalidValueError(
            f"label_smoothing={smoothing} leaves no difference between expert and generator.",
            "Give 0 to less than 0.5, for example 0.1.",
        )
    return smoothing


def check_spaces(venv: VecEnv, reward_net: RewardNet) -> None:
    """Refuses spaces that cannot be handled, and a reward net made for another environment.

    A net that does not use the action fits any action space.

    Raises:
        InvalidTypeError: `Dict` and other composite spaces.
        InvalidValueError: The spaces of environment and reward net differ.
    """
    check_supported_space(venv.observation_space, "observation space")
    check_supported_space(venv.action_space, "action space")
    names = ["observation_space"] + ["action_space"] * reward_net.uses_action
    for name in names:
        ours: spaces.Space = getattr(venv, name)
        theirs: spaces.Space = getattr(reward_net, name)
        if type(ours) is not type(theirs) or ours.shape != theirs.shape:
            raise InvalidValueError(
                f"the reward net was made for the {name} {theirs}; the environment has {ours}.",
                "Build it with the environment's spaces.",
            )


def check_shapes(batch: TransitionBatch, venv: VecEnv) -> None:
    """Refuses demonstrations that are not of this environment.

    Raises:
        InvalidValueError: Naming the field, its shape and the space.
    """
    pairs = (("obs", batch.obs, venv.observation_space), ("acts", batch.acts, venv.action_space))
    for name, values, space in pairs:
        if tuple(values.shape[1:]) != space.shape:
            raise InvalidValueError(
                f"the demonstrations' {name} have shape {tuple(values.shape[1:])}; the "
                f"environment's space is {space}.",
                "Give demonstrations of this environment.",
            )
