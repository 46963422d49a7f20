import numpy as np
import pytest
import torch as th
from gymnasium import spaces

from airl_cli.algorithms.gail import RewardFromDiscriminator
from airl_cli.errors import InvalidTypeError, InvalidValueError
from airl_cli.rewards import (
    AddSTDRewardWrapper,
    BasicPotentialMLP,
    BasicRewardNet,
    NormalizedRewardNet,
    RewardEnsemble,
    RewardNet,
    RewardNetWrapper,
    RunningNorm,
    ShapedRewardNet,
)

BOX = spaces.Box(-1.0, 1.0, (3,), np.float32)


def batch_of(n: int = 6, seed: int = 0) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    obs, acts, next_obs = rng.uniform(-1, 1, (3, n, 3)).astype(np.float32)
    return obs, acts, next_obs, rng.random(n) < 0.5


def test_normalised_output_has_mean_zero_and_unit_variance_in_the_long_run() -> None:
    net = NormalizedRewardNet(BasicRewardNet(BOX, BOX), RunningNorm)
    transition = batch_of(200)
    for _ in range(3):
        rewards = net.predict_processed(*transition)
    assert rewards.mean() == pytest.approx(0.0, abs=1e-3)
    assert rewards.std() == pytest.approx(1.0, abs=1e-2)
    np.testing.assert_allclose(net.predict(*transition), net.base.predict(*transition))


def test_normalised_output_can_be_asked_for_without_counting() -> None:
    net = NormalizedRewardNet(BasicRewardNet(BOX, BOX), RunningNorm)
    net.predict_processed(*batch_of(), update_stats=False)
    assert net.normalize_output_layer.count == 0


def test_ensemble_bonus_is_alpha_standard_deviations() -> None:
    ensemble = RewardEnsemble(BOX, BOX, [BasicRewardNet(BOX, BOX) for _ in range(3)])
    wrapped = AddSTDRewardWrapper(ensemble, default_alpha=-1.0)
    transition = batch_of()
    mean, variance = ensemble.predict_reward_moments(*transition)
    np.testing.assert_allclose(wrapped.predict_processed(*transition), mean - np.sqrt(variance))
    np.testing.assert_allclose(
        wrapped.predict_processed(*transition, alpha=2.0), mean + 2 * np.sqrt(variance)
    )
    np.testing.assert_allclose(wrapped.predict(*transition), mean, rtol=1e-5, atol=1e-6)


def test_a_bonus_without_variance_is_refused() -> None:
    with pytest.raises(InvalidTypeError, match="RewardEnsemble"):
        AddSTDRewardWrapper(BasicRewardNet(BOX, BOX))


class Sevens(BasicRewardNet):
    def predict(self, state, action, next_state, done):
        return np.full(len(state), 7.0, np.float32)


class Eights(BasicRewardNet):
    def predict_th(self, state, action, next_state, done):
        return th.full((len(state),), 8.0)


def test_a_processing_wrapper_predicts_what_the_base_predicts() -> None:
    sevens = NormalizedRewardNet(Sevens(BOX, BOX), RunningNorm)
    eights = NormalizedRewardNet(Eights(BOX, BOX), RunningNorm)
    assert sevens.predict(*batch_of()).tolist() == [7.0] * 6
    assert eights.predict_th(*batch_of()).tolist() == [8.0] * 6


class Doubled(RewardNetWrapper):
    def forward(self, state, action, next_state, done):
        return 2 * self.base(state, action, next_state, done)


@pytest.mark.parametrize(
    "wrap",
    [lambda net: ShapedRewardNet(net, BasicPotentialMLP(BOX, (8,)), 0.9), Doubled]
    + [RewardFromDiscriminator],
    ids=["shaping", "own wrapper", "gail"],
)
@pytest.mark.parametrize(
    "process",
    [lambda net: NormalizedRewardNet(net, RunningNorm), AddSTDRewardWrapper],
    ids=["normalised", "bonus"],
)
def test_wrappers_that_would_drop_processing_are_refused(wrap, process) -> None:
    net: RewardNet = RewardEnsemble(BOX, BOX, [BasicRewardNet(BOX, BOX) for _ in range(2)])
    assert isinstance(process(wrap(net)) if process is not AddSTDRewardWrapper else net, RewardNet)
    with pytest.raises(InvalidValueError, match="outermost"):
        wrap(process(net))
