"""Where demonstrations come from: one class per source, one file each."""

from airl_cli.experts.base import Demonstrations, Expert
from airl_cli.experts.checkpoint import CheckpointExpert
from airl_cli.experts.cloned import ClonedExpert
from airl_cli.experts.hub import HubExpert
from airl_cli.experts.random_actions import RandomExpert
from airl_cli.experts.recorded import MinariExpert, TrajectoriesExpert
from airl_cli.experts.trained import TrainedExpert

__all__ = [
    "CheckpointExpert",
    "ClonedExpert",
    "Demonstrations",
    "Expert",
    "HubExpert",
    "MinariExpert",
    "RandomExpert",
    "TrainedExpert",
    "TrajectoriesExpert",
]
