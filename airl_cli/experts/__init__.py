"""Where demonstrations come from."""

from airl_cli.experts.base import Demonstrations, Expert
from airl_cli.experts.trained import TrainedExpert

__all__ = ["Demonstrations", "Expert", "TrainedExpert"]
