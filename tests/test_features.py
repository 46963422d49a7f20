import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3 import PPO

from airl_cli.features import NormalizedFeatures
from airl_cli.quiet import leave_no_log_folder
from support.line import line_venv


def test_features_are_normalised_and_bounded() -> None:
    features = NormalizedFeatures(spaces.Box(-np.inf, np.inf, (2, 2), np.float32), clip=3.0)
    for _ in range(200):
        out = features(th.randn(100, 2, 2) * 50 + 7)
    assert out.shape == (100, 4)
    assert out.std().item() == pytest.approx(1.0, abs=0.15)
    features.eval()
    assert features(th.full((1, 2, 2), 1e6)).max().item() == pytest.approx(3.0)


def test_a_policy_learns_its_statistics_in_training_and_keeps_them_in_its_weights() -> None:
    model = PPO(
        "MlpPolicy",
        line_venv(),
        n_steps=20,
        batch_size=40,
        device="cpu",
        policy_kwargs={"features_extractor_class": NormalizedFeatures},
    )
    leave_no_log_folder(model)
    model.learn(80)
    state = model.policy.state_dict()
    assert state["features_extractor.norm.count"] > 0
    assert state["features_extractor.norm.running_mean"].abs().max() > 0


@pytest.mark.parametrize("side", [3, 5, 8, 12, 36, 84])
def test_images_of_any_size_pass_through_convolutions_that_are_trained(side: int) -> None:
    features = NormalizedFeatures(spaces.Box(0, 255, (3, side, side), np.uint8))
    out = features(th.rand(2, 3, side, side))
    assert out.shape == (2, features.features_dim)
    out.sum().backward()
    parameters = dict(features.named_parameters())
    assert parameters and all(p.grad is not None for p in parameters.values())
