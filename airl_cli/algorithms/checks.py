"""What a trainer refuses before it trains."""

from __future__ import annotations

from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecNormalize

from airl_cli.algorithms.batch import TransitionBatch
from airl_cli.data.transitions import has_actions
from airl_cli.envs.spaces import check_policy_spaces
from airl_cli.errors import InvalidTypeError, InvalidValueError
from airl_cli.rewards.base import RewardNet
from airl_cli.rewards.encoding import check_supported_space


def check_generator(algorithm: BaseAlgorithm) -> None:
    """Refuses algorithms whose buffers cannot be relabelled.

    Raises:
        InvalidTypeError: Neither on-policy nor off-policy, or an n-step replay buffer.
    """
    if not isinstance(algorithm, OnPolicyAlgorithm | OffPolicyAlgorithm):
        raise InvalidTypeError(
            f"{type(algorithm).__name__} is not a Stable-Baselines3 algorithm with a rollout or "
            "replay buffer.",
            "Use an on-policy (PPO, A2C, TRPO) or off-policy (SAC, TQC) algorithm.",
        )
    replay = getattr(algorithm, "replay_buffer", None)
    n_steps = getattr(replay, "n_steps", 1)
    if n_steps > 1:
        raise InvalidTypeError(
            f"{type(algorithm).__name__} sums rewards over {n_steps} steps; a learned reward is "
            "of single transitions, when they are drawn.",
            "Set n_steps=1 of the generator.",
        )


def check_venv(venv: VecEnv, algorithm: BaseAlgorithm) -> None:
    """Refuses environments that show the generator something else than the demonstrations.

    Raises:
        InvalidTypeError: If a space is of an unsupported type.
        InvalidValueError: If `VecNormalize` is around the environment or the algorithm's own, or
            a space is one that policies misread.
    """
    check_policy_spaces(venv.observation_space, venv.action_space)
    layer: VecEnv | None = venv
    while isinstance(layer, VecEnvWrapper) and not isinstance(layer, VecNormalize):
        layer = layer.venv
    if isinstance(layer, VecNormalize) or algorithm.get_vec_normalize_env() is not None:
        raise InvalidValueError(
            "VecNormalize is around "
            + ("venv" if isinstance(layer, VecNormalize) else "the environment of gen_algo")
            + ": generator samples would have normalised observations and rewards, demonstrations "
            "raw ones.",
            "Leave it out, and normalise inside the nets: features_extractor_class="
            "airl_cli.features.NormalizedFeatures for the policy, normalize_input_layer=RunningNorm"
            " for the reward net, normalize_gen_reward=True for rewards.",
        )


def rollout_steps(algorithm: BaseAlgorithm) -> int:
    """Environment steps, of all environments together, between two updates of the policy.

    Raises:
        InvalidTypeError: A `train_freq` in episodes, whose number of steps is not known.
    """
    if isinstance(algorithm, OnPolicyAlgorithm):
        return algorithm.n_envs * algorithm.n_steps
    assert isinstance(algorithm, OffPolicyAlgorithm)
    frequency = algorithm.train_freq
    steps = frequency[0] if isinstance(frequency, tuple) else frequency
    if isinstance(frequency, TrainFreq | tuple) and frequency[1] in (
        "episode",
        TrainFrequencyUnit.EPISODE,
    ):
        raise InvalidTypeError(
            f"train_freq={steps} episodes: a round needs a known number of steps.",
            "Give train_freq of the generator in steps.",
        )
    return algorithm.n_envs * int(steps)


def discount_of(algorithm: BaseAlgorithm) -> float:
    """The discount gamma of an on- or off-policy algorithm."""
    assert isinstance(algorithm, OnPolicyAlgorithm | OffPolicyAlgorithm)
    return algorithm.gamma


def n_uniform_actions(algorithm: BaseAlgorithm, n_newest: int) -> int:
    """How many of the newest actions were drawn uniformly: those of SB3's `learning_starts`.

    Args:
        algorithm: That acted.
        n_newest: Actions of its newest rollout, of all environments together.
    """
    starts = getattr(algorithm, "learning_starts", 0)
    if algorithm.use_sde and getattr(algorithm, "use_sde_at_warmup", False):
        return 0
    before = algorithm.num_timesteps - n_newest
    steps = -(-max(0, starts - before) // algorithm.n_envs)
    return min(n_newest, steps * algorithm.n_envs)


def check_total_timesteps(total_timesteps: int, round_timesteps: int) -> int:
    """How many rounds of so many steps fit.

    Raises:
        InvalidValueError: None.
    """
    n_rounds = int(total_timesteps) // round_timesteps
    if n_rounds < 1:
        raise InvalidValueError(
            f"total_timesteps={total_timesteps} is not enough for one round of "
            f"{round_timesteps} steps.",
            f"Set total_timesteps={round_timesteps} or more (at least {round_timesteps}).",
        )
    return n_rounds


def check_minibatch_size(batch_size: int, minibatch_size: int | None) -> int:
    """The minibatch size to use.

    Raises:
        InvalidValueError: Not positive, or no divisor of the batch size.
    """
    if batch_size < 1:
        raise InvalidValueError(
            f"demo_batch_size must be at least 1, got {batch_size}.",
            "Set demo_batch_size to at least 1, for example 512.",
        )
    size = batch_size if minibatch_size is None else minibatch_size
    if size < 1 or batch_size % size:
        divisors = [n for n in range(1, batch_size + 1) if batch_size % n == 0]
        nearest = max((n for n in divisors if n <= size), default=1)
        raise InvalidValueError(
            f"demo_minibatch_size={size} does not divide demo_batch_size={batch_size}.",
            f"Set demo_minibatch_size={nearest}, or None for whole batches.",
        )
    return size


def check_updates(n_per_round: int, n_before_relabelling: int, algorithm: BaseAlgorithm) -> None:
    """Refuses numbers of discriminator updates that cannot be meant.

    Raises:
        InvalidValueError: A negative number, or none at all for an off-policy generator.
    """
    smallest = min(n_per_round, n_before_relabelling)
    none = isinstance(algorithm, OffPolicyAlgorithm) and n_per_round + n_before_relabelling < 1
    if smallest < 0 or none:
        raise InvalidValueError(
            f"n_disc_updates_per_round={n_per_round} and n_disc_updates_before_pricing="
            f"{n_before_relabelling} leave the discriminator untrained.",
            "Set one of them to at least 1.",
        )


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
        if name == "acts" and not has_actions(values):
            continue
        if tuple(values.shape[1:]) != space.shape:
            raise InvalidValueError(
                f"the demonstrations' {name} have shape {tuple(values.shape[1:])}; the "
                f"environment's space is {space}.",
                "Give demonstrations of this environment.",
            )


def check_ignores_actions(net: RewardNet) -> None:
    """Refuses a reward of actions where the demonstrations hold none.

    Raises:
        InvalidValueError: Naming the remedy.
    """
    if net.uses_action:
        raise InvalidValueError(
            "the demonstrations hold no actions, and the reward net depends on them.",
            "Learn a reward of states: reward=state_only (use_action=False); or, if a file has "
            "actions under another name, columns={acts: <its name>}.",
        )
