import copy
import math

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3 import A2C, PPO, SAC

from airl_cli.algorithms.log_prob import action_log_prob
from airl_cli.algorithms.past_policies import PastPolicies, uniform_log_density
from airl_cli.algorithms.stacked import OneByOneDensities, StackedDensities, densities_of
from airl_cli.features import NormalizedFeatures
from support.line import line_venv


def make_policy(algorithm=PPO, discrete: bool = False, **policy_kwargs):
    settings = {"buffer_size": 10} if algorithm is SAC else {}
    venv = line_venv(discrete=discrete)
    made = algorithm("MlpPolicy", venv, policy_kwargs=policy_kwargs, seed=0, **settings)
    made.policy.set_training_mode(False)
    return made.policy


def move(policy) -> None:
    with th.no_grad():
        for parameter in policy.parameters():
            parameter.add_(0.3 * th.randn_like(parameter))


def past_of(policy, capacity=1000, *, reservoir=False, limit=16) -> PastPolicies:
    rng = np.random.default_rng(0)
    return PastPolicies(policy, capacity, rng, reservoir=reservoir, limit=limit)


def samples(policy, n: int = 50):
    obs = th.randn(n, 2)
    acts, _ = policy.predict(obs.numpy())
    return obs, th.as_tensor(acts)


@pytest.mark.parametrize(
    "policy",
    [
        lambda: make_policy(),
        lambda: make_policy(discrete=True),
        lambda: make_policy(features_extractor_class=NormalizedFeatures),
        lambda: make_policy(SAC, net_arch=[16]),
    ],
)
def test_the_density_is_the_mean_of_those_that_made_the_samples(policy) -> None:
    policy = policy()
    past = past_of(policy)
    copies = []
    for n in (100, 300, 600):
        past.record(n)
        copies.append(copy.deepcopy(policy))
        move(policy)
    obs, acts = samples(copies[1])
    with th.no_grad():
        each = th.stack([action_log_prob(p, obs, acts) for p in copies]).exp()
    expected = (each * th.tensor([[0.1], [0.3], [0.6]])).sum(0).log()
    th.testing.assert_close(past.log_prob(obs, acts), expected, atol=1e-4, rtol=1e-4)


def test_overwritten_samples_take_their_policy_with_them() -> None:
    policy = make_policy()
    past = past_of(policy, capacity=100)
    past.record(100)
    move(policy)
    past.record(100)
    obs, acts = samples(policy)
    with th.no_grad():
        th.testing.assert_close(past.log_prob(obs, acts), action_log_prob(policy, obs, acts))
    assert len(past) == 1


def test_a_reservoir_keeps_all_rounds_in_a_limited_number_of_policies() -> None:
    policy = make_policy()
    past = past_of(policy, capacity=50, reservoir=True, limit=4)
    for _ in range(40):
        past.record(10)
        move(policy)
    shares = [group.n_samples for group in past._groups]
    assert sum(shares) == 400 and len(shares) == 4
    assert shares[-1] == 10 and max(shares[:-1]) <= 4 * min(shares[:-1])


def test_uniform_actions_count_with_their_density() -> None:
    policy = make_policy(SAC, net_arch=[16])
    past = past_of(policy)
    past.record(30, uniform=True)
    obs, acts = samples(policy)
    th.testing.assert_close(past.log_prob(obs, acts), th.full((50,), -math.log(2)))
    past.record(10)
    with th.no_grad():
        mean = 0.75 * 0.5 + 0.25 * action_log_prob(policy, obs, acts).exp()
    th.testing.assert_close(past.log_prob(obs, acts), mean.log(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("space", "density"),
    [
        (spaces.Box(-1.0, 3.0, (2,)), 1 / 16),
        (spaces.Discrete(5, start=2), 1 / 5),
        (spaces.MultiDiscrete([2, 3]), 1 / 6),
        (spaces.MultiBinary(3), 1 / 8),
    ],
)
def test_uniform_densities(space, density) -> None:
    assert uniform_log_density(space) == pytest.approx(math.log(density))


def test_a_restored_memory_gives_the_same_density() -> None:
    policy = make_policy()
    past = past_of(policy)
    for _ in range(3):
        past.record(10)
        move(policy)
    other_policy = make_policy()
    other = past_of(other_policy)
    other.load_state_dict(copy.deepcopy(past.state_dict()))
    obs, acts = samples(policy)
    assert th.equal(other.log_prob(obs, acts), past.log_prob(obs, acts))


def test_a_state_of_another_architecture_is_refused() -> None:
    past = past_of(make_policy())
    past.record(10)
    with pytest.raises((ValueError, KeyError)):
        past_of(make_policy(net_arch=[8])).load_state_dict(past.state_dict())


def test_small_actor_critics_are_evaluated_in_one_pass() -> None:
    assert isinstance(densities_of(make_policy(A2C)), StackedDensities)
    assert isinstance(densities_of(make_policy(SAC, net_arch=[16])), OneByOneDensities)


def test_the_discriminator_scores_samples_with_the_policies_that_made_them(make_trainer) -> None:
    """Updates after the policy's: the samples are those of the policy before its update."""
    game = make_trainer(n_disc_updates_per_round=0)
    before = copy.deepcopy(game.policy)
    game.train(80)
    batch = game.gen_replay_buffer.sample(40)
    with th.no_grad():
        expected = action_log_prob(before, batch.obs, batch.acts)
    th.testing.assert_close(game.sample_log_prob(batch), expected, atol=1e-5, rtol=1e-4)
    assert not th.allclose(game.policy_log_prob(batch), expected, atol=1e-3)


def test_uniform_actions_of_learning_starts_are_scored_as_such(make_trainer) -> None:
    game = make_trainer(SAC, gen={"learning_starts": 40, "buffer_size": 200})
    game.train(40)
    batch = game.gen_replay_buffer.sample(16)
    th.testing.assert_close(game.sample_log_prob(batch), th.full((16,), -math.log(2)))
