"""Which values make sense, alone and together; checked before anything is built."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airl_cli.errors import InvalidTypeError, InvalidValueError
from airl_cli.nodes import lookup


@dataclass(frozen=True)
class Range:
    """A test of a number, and what it asks for in words."""

    holds: Callable[[float], bool]
    wanted: str


def at_least(low: float) -> Range:
    """Numbers of `low` or more."""
    return Range(lambda value: value >= low, f"{low} or more")


POSITIVE = Range(lambda value: value > 0, "more than 0")
FRACTION = Range(lambda value: 0 <= value <= 1, "between 0 and 1")

# The same hyperparameters have the same meaning in every SB3 algorithm.
ALGORITHM = {
    "learning_rate": POSITIVE,
    "buffer_size": at_least(1),
    "learning_starts": at_least(0),
    "tau": Range(lambda value: 0 < value <= 1, "more than 0 and at most 1"),
    "train_freq": at_least(1),
    "gradient_steps": Range(lambda value: value == -1 or value > 0, "1 or more, or -1"),
    "target_update_interval": at_least(1),
    "top_quantiles_to_drop_per_net": at_least(0),
    "policy_delay": at_least(1),
    "policy_kwargs.net_arch": at_least(1),
    "n_steps": at_least(1),
    "batch_size": at_least(1),
    "n_epochs": at_least(1),
    "gamma": Range(lambda value: 0 < value <= 1, "more than 0 and at most 1"),
    "gae_lambda": FRACTION,
    "clip_range": POSITIVE,
    "vf_coef": at_least(0),
    "max_grad_norm": POSITIVE,
    "stats_window_size": at_least(1),
}

RANGES = {
    "seed": Range(lambda value: 0 <= value < 2**32, "between 0 and 4294967295"),
    "torch_threads": at_least(1),
    "env.n_envs": at_least(1),
    "env.max_episode_steps": at_least(1),
    "expert.total_timesteps": at_least(1),
    "expert.n_envs": at_least(1),
    "expert.n_episodes": at_least(1),
    "expert.noise": FRACTION,
    "expert.subsample": at_least(1),
    "expert.memory_limit": at_least(0),
    "expert.updates": at_least(1),
    "expert.batch_size": at_least(1),
    "expert.learning_rate": POSITIVE,
    **{f"generator.{key}": rule for key, rule in ALGORITHM.items()},
    "reward.discount_factor": FRACTION,
    "reward.hid_sizes": at_least(1),
    "reward.reward_hid_sizes": at_least(1),
    "reward.potential_hid_sizes": at_least(1),
    "reward.n_members": at_least(2),
    "trainer.total_timesteps": at_least(1),
    "trainer.demo_batch_size": at_least(1),
    "trainer.demo_minibatch_size": at_least(1),
    "trainer.n_disc_updates_per_round": at_least(0),
    "trainer.n_disc_updates_before_pricing": at_least(0),
    "trainer.log_prob_weight": at_least(0),
    "trainer.base_gradient_penalty": at_least(0),
    "trainer.base_box_penalty": at_least(0),
    "trainer.r1_penalty": at_least(0),
    "trainer.gradient_penalty": at_least(0),
    "trainer.label_smoothing": Range(lambda value: 0 <= value < 0.5, "0 or more, less than 0.5"),
    "trainer.base_opt_kwargs.weight_decay": at_least(0),
    "trainer.base_opt_kwargs.lr": POSITIVE,
    "trainer.checkpoint_every": at_least(1),
    "trainer.keep_checkpoints": at_least(1),
    "trainer.checkpoint_share": Range(lambda value: 0 < value <= 1, "more than 0 and at most 1"),
    "trainer.gen_train_timesteps": at_least(1),
    "trainer.gen_replay_buffer_capacity": at_least(1),
    "trainer.disc_opt_kwargs.lr": POSITIVE,
    "evaluation.n_episodes": at_least(2),
    "n_episodes": at_least(1),
    "video_episodes": at_least(1),
    "video_steps": at_least(1),
    "n_mean_samples": at_least(1),
    "n_resamples": at_least(100),
    "expert_share": POSITIVE,
    "discount": FRACTION,
    "heat_map.resolution": at_least(2),
    **{f"expert.algorithm.{key}": rule for key, rule in ALGORITHM.items()},
}


def check_ranges(config: Mapping[str, Any]) -> None:
    """Checks numbers, and the numbers in lists, against `RANGES`.

    Raises:
        InvalidValueError: For the first one outside.
        InvalidTypeError: For a text.
    """
    for path, rule in RANGES.items():
        value = lookup(config, path)
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, str):
                raise InvalidTypeError(
                    f"{path}={number!r} is of the wrong type: a number is wanted.",
                    f"It must be {rule.wanted}.",
                )
            is_number = isinstance(number, (int, float)) and not isinstance(number, bool)
            if is_number and not (math.isfinite(number) and rule.holds(number)):
                raise InvalidValueError(
                    f"{path}={number} is out of range.", f"It must be {rule.wanted}."
                )


def check_combinations(config: Mapping[str, Any]) -> None:
    """Checks numbers that must fit one another.

    Raises:
        InvalidValueError: If the minibatch size does not divide the batch size, or the timesteps
            do not suffice for one round.
    """
    batch = lookup(config, "trainer.demo_batch_size")
    minibatch = lookup(config, "trainer.demo_minibatch_size")
    if batch and minibatch and batch % minibatch:
        divisors = [n for n in range(minibatch, 0, -1) if batch % n == 0]
        raise InvalidValueError(
            f"trainer.demo_minibatch_size={minibatch} does not divide "
            f"trainer.demo_batch_size={batch}.",
            f"Choose a divisor, for example {divisors[0]}.",
        )
    updates = ("n_disc_updates_per_round", "n_disc_updates_before_pricing")
    counts = [lookup(config, f"trainer.{name}") for name in updates]
    if counts[0] is not None and not any(counts):
        raise InvalidValueError(
            "trainer.n_disc_updates_per_round=0 leaves the discriminator untrained.",
            "Set it, or trainer.n_disc_updates_before_pricing, to 1 or more.",
        )
    total, one_round = lookup(config, "trainer.total_timesteps"), steps_per_round(config)
    if total and one_round and total < one_round:
        raise InvalidValueError(
            f"trainer.total_timesteps={total} is less than one round of {one_round} steps.",
            f"Set trainer.total_timesteps={one_round} or more, or make rounds shorter with "
            "generator.n_steps or env.n_envs.",
        )


def steps_per_round(config: Mapping[str, Any]) -> int | None:
    """Environment steps of one round, as far as the config alone says it."""
    explicit = lookup(config, "trainer.gen_train_timesteps")
    if explicit:
        return int(explicit)
    n_envs, n_steps = lookup(config, "env.n_envs"), lookup(config, "generator.n_steps")
    return int(n_envs * n_steps) if n_envs and n_steps else None
