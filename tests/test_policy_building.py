"""Policies are rebuilt from weights alone, with no environment that could step."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sb3_contrib
import stable_baselines3 as sb3
import torch
from gymnasium import spaces

from airl_cli.errors import InvalidValueError
from airl_cli.policy_building import SpacesVecEnv, rebuild_policy
from airl_cli.serialization import save_weights

OBS = spaces.Box(-1.0, 1.0, (3,), np.float32)
ACT = spaces.Box(-1.0, 1.0, (2,), np.float32)


@pytest.mark.parametrize("algorithm", [sb3.PPO, sb3.A2C, sb3.SAC, sb3_contrib.TRPO])
def test_a_rebuilt_policy_acts_like_the_saved_one(tmp_path: Path, algorithm: Any) -> None:
    make = partial(algorithm, "MlpPolicy", policy_kwargs={"net_arch": [4]})
    original = make(env=SpacesVecEnv(OBS, ACT, 2)).policy
    save_weights(original, tmp_path / "w")
    rebuilt = rebuild_policy(make, OBS, ACT, tmp_path / "w")
    obs = np.random.default_rng(0).uniform(-1, 1, (5, 3)).astype(np.float32)
    expected, _ = original.predict(obs, deterministic=True)
    assert np.array_equal(rebuilt.predict(obs, deterministic=True)[0], expected)
    assert not rebuilt.training


def test_image_policies_are_rebuilt(tmp_path: Path) -> None:
    images = spaces.Box(0, 255, (36, 36, 3), np.uint8)
    make = partial(
        sb3.A2C, "CnnPolicy", policy_kwargs={"features_extractor_kwargs": {"features_dim": 8}}
    )
    original = make(env=SpacesVecEnv(images, ACT)).policy
    save_weights(original, tmp_path / "w")
    rebuilt = rebuild_policy(make, images, ACT, tmp_path / "w")
    assert torch.equal(rebuilt.action_net.weight, original.action_net.weight)


def test_rebuilding_leaves_the_random_stream_alone(tmp_path: Path) -> None:
    make = partial(sb3.A2C, "MlpPolicy")
    save_weights(make(env=SpacesVecEnv(OBS, ACT)).policy, tmp_path / "w")
    torch.manual_seed(0)
    expected = torch.rand(())
    torch.manual_seed(0)
    rebuild_policy(make, OBS, ACT, tmp_path / "w")
    assert torch.equal(torch.rand(()), expected)


def test_a_rebuilt_gsde_policy_explores_with_the_saved_deviation(tmp_path: Path) -> None:
    make = partial(sb3.PPO, "MlpPolicy", use_sde=True, n_steps=8, batch_size=8)
    original = make(env=SpacesVecEnv(OBS, ACT)).policy
    with torch.no_grad():
        original.log_std.fill_(-12.0)  # it starts at 0
    save_weights(original, tmp_path / "w")
    rebuilt = rebuild_policy(make, OBS, ACT, tmp_path / "w")
    obs = np.ones((1, 3), np.float32)
    sampled, mode = (rebuilt.predict(obs, deterministic=d)[0] for d in (False, True))
    np.testing.assert_allclose(sampled, mode, atol=1e-3)


def test_weights_for_other_spaces_are_refused(tmp_path: Path) -> None:
    make = partial(sb3.A2C, "MlpPolicy")
    save_weights(make(env=SpacesVecEnv(OBS, ACT)).policy, tmp_path / "w")
    with pytest.raises(InvalidValueError, match="the net has"):
        rebuild_policy(make, ACT, ACT, tmp_path / "w")


def test_an_env_of_spaces_cannot_be_used() -> None:
    venv = SpacesVecEnv(OBS, ACT, 2)
    assert venv.get_attr("render_mode") == [None, None]
    assert venv.env_is_wrapped(object) == [False, False]
    for use in (
        venv.reset,
        lambda: venv.step(np.zeros((2, 2))),
        venv.step_wait,
        lambda: venv.env_method("x"),
        lambda: venv.set_attr("x", 1),
    ):
        with pytest.raises(RuntimeError, match="only has spaces"):
            use()
    venv.close()
