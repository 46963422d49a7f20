"""A trainer on a small environment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch as th
from stable_baselines3 import A2C, PPO

from airl_cli.algorithms import AIRL
from airl_cli.rewards import BasicShapedRewardNet
from support.line import line_demonstrations, line_venv

MakeTrainer = Callable[..., AIRL]


@pytest.fixture
def make_trainer(tmp_path) -> MakeTrainer:
    """Builds an AIRL trainer on `Line`; everything can be replaced by keyword."""

    def make(
        algorithm: Any = PPO,
        *,
        trainer: Any = AIRL,
        env: dict[str, Any] | None = None,
        gen: dict[str, Any] | None = None,
        net: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> AIRL:
        th.manual_seed(0)
        venv = kwargs.pop("venv", None) or line_venv(**(env or {}))
        settings: dict[str, Any] = {"device": "cpu", "seed": 0}
        if issubclass(algorithm, PPO | A2C):
            settings["n_steps"] = 20
        if issubclass(algorithm, PPO):
            settings.update(batch_size=40, n_epochs=2)
        gen_algo = algorithm("MlpPolicy", venv, **{**settings, **(gen or {})})
        reward_net = kwargs.pop("reward_net", None) or BasicShapedRewardNet(
            venv.observation_space, venv.action_space, **(net or {})
        )
        settings = {"demo_batch_size": 32, "log_dir": tmp_path, **kwargs}
        if "demonstrations" not in settings:
            settings["demonstrations"] = line_demonstrations(**(env or {}))
        return trainer(venv=venv, gen_algo=gen_algo, reward_net=reward_net, **settings)

    return make
