"""Adversarial imitation: AIRL, GAIL, and the trainer that both are."""

from airl_cli.algorithms.adversarial import AdversarialTrainer
from airl_cli.algorithms.airl import AIRL
from airl_cli.algorithms.gail import GAIL

__all__ = ["AIRL", "GAIL", "AdversarialTrainer"]
