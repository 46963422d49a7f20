"""Generators of our own: algorithms that can stand where one of Stable-Baselines3 can."""

from airl_cli.generators.fast_ppo import FastPPO

__all__ = ["FastPPO"]
