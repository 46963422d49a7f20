"""Trajectories and transitions: what they are, how they are sampled, how they are kept."""

from airl_cli.data.types import (
    Trajectory,
    TrajectoryWithRew,
    Transitions,
    TransitionsMinimal,
    TransitionsWithRew,
    transitions_collate_fn,
    true_returns,
)

__all__ = [
    "Trajectory",
    "TrajectoryWithRew",
    "Transitions",
    "TransitionsMinimal",
    "TransitionsWithRew",
    "transitions_collate_fn",
    "true_returns",
]
