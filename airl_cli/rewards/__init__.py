"""Reward nets: functions of a transition that AIRL learns."""

from airl_cli.rewards.base import (
    ForwardWrapper,
    PredictProcessedWrapper,
    RewardNet,
    RewardNetWithVariance,
    RewardNetWrapper,
    unwrapped,
)
from airl_cli.rewards.ensemble import RewardEnsemble, ShapedRewardEnsemble
from airl_cli.rewards.layers import EMANorm, RunningNorm, build_cnn, build_mlp
from airl_cli.rewards.nets import (
    BasicPotentialCNN,
    BasicPotentialMLP,
    BasicRewardNet,
    CnnRewardNet,
)
from airl_cli.rewards.shaped import BasicShapedRewardNet, CnnShapedRewardNet, ShapedRewardNet
from airl_cli.rewards.vec_env import RewardVecEnvWrapper
from airl_cli.rewards.wrappers import (
    AddSTDRewardWrapper,
    BoundedRewardNet,
    NormalizedRewardNet,
    ShiftedRewardNet,
)

__all__ = [
    "AddSTDRewardWrapper",
    "BasicPotentialCNN",
    "BasicPotentialMLP",
    "BasicRewardNet",
    "BasicShapedRewardNet",
    "CnnRewardNet",
    "CnnShapedRewardNet",
    "EMANorm",
    "ForwardWrapper",
    "NormalizedRewardNet",
    "PredictProcessedWrapper",
    "RewardEnsemble",
    "RewardNet",
    "RewardNetWithVariance",
    "RewardNetWrapper",
    "RewardVecEnvWrapper",
    "RunningNorm",
    "ShapedRewardEnsemble",
    "ShapedRewardNet",
    "BoundedRewardNet",
    "ShiftedRewardNet",
    "build_cnn",
    "build_mlp",
    "unwrapped",
]
