"""What can be refused once an environment's episodes are known, but before training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from airl_cli.errors import InvalidValueError
from airl_cli.nodes import lookup


def check_demonstrations_suffice(
    config: Mapping[str, Any], lengths: Sequence[int] | np.ndarray
) -> None:
    """Refuses too few episodes of demonstrations for one batch, where lengths are fixed.

    Args:
        config: Plain containers.
        lengths: Of some episodes, in steps.

    Raises:
        InvalidValueError: If `expert.n_episodes` episodes hold less than
            `trainer.demo_batch_size` transitions.
    """
    n_episodes = lookup(config, "expert.n_episodes")
    batch_size = config["trainer"]["demo_batch_size"]
    if n_episodes is None or len(set(lengths)) != 1:
        return
    # Of every k-th transition, counted from a random one: so many at least.
    length = max(1, int(lengths[0]) // (lookup(config, "expert.subsample") or 1))
    if n_episodes * length < batch_size:
        raise InvalidValueError(
            f"expert.n_episodes={n_episodes} of {length} steps are {n_episodes * length} "
            f"transitions, fewer than one batch of trainer.demo_batch_size={batch_size}.",
            f"Set expert.n_episodes={-(-batch_size // length)} or more, or a smaller batch.",
        )


def check_fits_a_round(total_timesteps: int, round_timesteps: int) -> None:
    """Refuses a run without a single round.

    Raises:
        InvalidValueError: If `trainer.total_timesteps` is less than one round takes.
    """
    if total_timesteps < round_timesteps:
        raise InvalidValueError(
            f"trainer.total_timesteps={total_timesteps} is less than one round of "
            f"{round_timesteps} steps.",
            f"Set trainer.total_timesteps={round_timesteps} or more, or make rounds shorter with "
            "generator.n_steps or env.n_envs.",
        )
