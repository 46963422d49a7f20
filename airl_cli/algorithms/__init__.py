"""AIRL, GAIL, the trainer that both are, behaviour cloning, and training on a given reward."""

from airl_cli.algorithms.adversarial import AdversarialTrainer
from airl_cli.algorithms.airl import AIRL
from airl_cli.algorithms.cloning import BC
from airl_cli.algorithms.demonstrations import (
    BaseImitationAlgorithm,
    DemonstrationAlgorithm,
    make_data_loader,
)
from airl_cli.algorithms.discriminator import compute_train_stats
from airl_cli.algorithms.gail import GAIL
from airl_cli.algorithms.reward_trainer import RewardTrainer

__all__ = [
    "AIRL",
    "BC",
    "GAIL",
    "AdversarialTrainer",
    "BaseImitationAlgorithm",
    "DemonstrationAlgorithm",
    "RewardTrainer",
    "compute_train_stats",
    "make_data_loader",
]
