"""Environments: found, made, vectorised and checked."""

from airl_cli.envs.absorbing import FixedHorizon
from airl_cli.envs.horizon import check_fixed_horizon
from airl_cli.envs.make import make_vec_env
from airl_cli.envs.registration import register_environments
from airl_cli.envs.spec import EnvSpec

__all__ = ["EnvSpec", "FixedHorizon", "check_fixed_horizon", "make_vec_env"]

register_environments()
