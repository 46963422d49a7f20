"""Environments: found, made, vectorised and checked."""

from airl_cli.envs.check import check_environment, check_fixed_horizon
from airl_cli.envs.make import make_vec_env
from airl_cli.envs.masks import MasksInObservation
from airl_cli.envs.registry import register_environments
from airl_cli.envs.spaces import check_policy_spaces
from airl_cli.envs.spec import EnvSpec
from airl_cli.envs.wrappers import FixedHorizon, ZeroBased

__all__ = [
    "EnvSpec",
    "FixedHorizon",
    "MasksInObservation",
    "ZeroBased",
    "check_environment",
    "check_fixed_horizon",
    "check_policy_spaces",
    "make_vec_env",
]

register_environments()
