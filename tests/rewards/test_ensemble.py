import numpy as np
import pytest
import torch as th
from gymnasium import spaces

from airl_cli.errors import InvalidValueError
from airl_cli.rewards import (
    BasicPotentialMLP,
    BasicRewardNet,
    NormalizedRewardNet,
    RewardEnsemble,
    RunningNorm,
    ShapedRewardNet,
)
from airl_cli.rewards.ensemble import count_members, one_member

BOX = spaces.Box(-1.0, 1.0, (3,), np.float32)


def batch_of(n: int = 6, seed: int = 0) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    obs, acts, next_obs = rng.uniform(-1, 1, (3, n, 3)).astype(np.float32)
    return obs, acts, next_obs, rng.random(n) < 0.5


def test_ensemble_is_the_mean_of_members_and_knows_their_spread() -> None:
    members = [BasicRewardNet(BOX, BOX) for _ in range(3)]
    ensemble = RewardEnsemble(BOX, BOX, members)
    transition = batch_of()
    each = np.stack([member.predict(*transition) for member in members])
    mean, variance = ensemble.predict_reward_moments(*transition)
    assert ensemble.num_members == 3
    np.testing.assert_allclose(ensemble.predict(*transition), each.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mean, each.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(variance, each.var(0, ddof=1), rtol=1e-4)


def test_an_ensemble_of_one_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="at least two"):
        RewardEnsemble(BOX, BOX, [BasicRewardNet(BOX, BOX)])


def normalised_members() -> list[NormalizedRewardNet]:
    members = [NormalizedRewardNet(BasicRewardNet(BOX, BOX), RunningNorm) for _ in range(3)]
    for scale, member in zip((1, 10, 100), members, strict=True):
        with th.no_grad():
            member.base.mlp.dense_final.weight *= scale
        member.predict_processed(*batch_of(256, seed=1))
    return members


def counts(members: list[NormalizedRewardNet]) -> list[int]:
    return [int(member.normalize_output_layer.count) for member in members]


def test_moments_are_those_of_the_members_processed_rewards() -> None:
    members = normalised_members()
    ensemble, transition = RewardEnsemble(BOX, BOX, members), batch_of(32)
    each = np.stack([m.predict_processed(*transition, update_stats=False) for m in members], axis=1)
    before = counts(members)
    mean, variance = ensemble.predict_reward_moments(*transition, update_stats=False)
    np.testing.assert_allclose(mean, each.mean(1), atol=1e-5)
    np.testing.assert_allclose(variance, each.var(1, ddof=1), atol=1e-5)
    processed = ensemble.predict_processed(*transition, update_stats=False)
    np.testing.assert_allclose(processed, each.mean(1), atol=1e-5)
    assert counts(members) == before
    ensemble.predict_processed_all(*transition)
    assert counts(members) == [n + 32 for n in before]


def test_shaping_around_normalised_members_is_refused() -> None:
    ensemble = RewardEnsemble(BOX, BOX, normalised_members())
    with pytest.raises(InvalidValueError, match="predict_processed"):
        ShapedRewardNet(ensemble, BasicPotentialMLP(BOX, (8,)), 0.99)


def test_one_member_limits_an_ensemble_below_wrappers_to_that_member() -> None:
    members = [BasicRewardNet(BOX, BOX) for _ in range(3)]
    net = ShapedRewardNet(RewardEnsemble(BOX, BOX, members), lambda state: state[:, 0], 0.9)
    transition = batch_of()
    mean = net.predict(*transition)
    assert count_members(net) == 3 and count_members(members[0]) == 1
    for index, member in enumerate(members):
        shaped = ShapedRewardNet(member, lambda state: state[:, 0], 0.9)
        with one_member(net, index):
            alone = net.predict(*transition)
        np.testing.assert_allclose(alone, shaped.predict(*transition), rtol=1e-5)
    np.testing.assert_array_equal(net.predict(*transition), mean)
