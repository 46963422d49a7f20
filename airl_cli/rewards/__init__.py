"""Reward nets: functions of a transition that AIRL learns and hands out."""

from airl_cli.rewards.base import RewardNet, RewardNetWrapper, unwrapped
from airl_cli.rewards.cnn import BasicPotentialCNN, CnnRewardNet
from airl_cli.rewards.ensemble import AddSTDRewardWrapper, RewardEnsemble, ShapedRewardEnsemble
from airl_cli.rewards.layers import EMANorm, RunningNorm, build_cnn, build_mlp
from airl_cli.rewards.mlp import BasicPotentialMLP, BasicRewardNet
from airl_cli.rewards.normalized import NormalizedRewardNet
from airl_cli.rewards.shaped import BasicShapedRewardNet, CnnShapedRewardNet, ShapedRewardNet

__all__ = [
    "AddSTDRewardWrapper",
    "BasicPotentialCNN",
    "BasicPotentialMLP",
    "BasicRewardNet",
    "BasicShapedRewardNet",
    "CnnRewardNet",
    "CnnShapedRewardNet",
    "EMANorm",
    "NormalizedRewardNet",
    "RewardEnsemble",
    "RewardNet",
    "RewardNetWrapper",
    "RunningNorm",
    "ShapedRewardEnsemble",
    "ShapedRewardNet",
    "build_cnn",
    "build_mlp",
    "unwrapped",
]
