"""MaskablePPO as a generator: log pi of masked policies."""

from __future__ import annotations

import numpy as np
import pytest
import torch as th
from stable_baselines3.common.utils import set_random_seed

from airl_cli.algorithms import AIRL, GAIL
from airl_cli.algorithms.log_prob import action_log_prob
from airl_cli.data import rollout
from airl_cli.envs import EnvSpec, MasksInObservation
from airl_cli.errors import InvalidValueError
from airl_cli.rewards import BasicRewardNet

MaskablePPO = pytest.importorskip("sb3_contrib").MaskablePPO
ID = "support.masked:MaskedGrid-v0"


def game(trainer=AIRL, wrappers=(MasksInObservation,), invalid=False, **kwargs):
    th.manual_seed(0)
    venv = EnvSpec(ID, n_envs=2, wrappers=wrappers).make(0)
    model = MaskablePPO("MlpPolicy", venv, n_steps=32, batch_size=32, n_epochs=1, device="cpu")
    until = rollout.make_sample_until(min_episodes=8)
    episodes = list(rollout.rollout(None, venv, until, rng=np.random.default_rng(0)))
    if invalid:
        masks = episodes[0].obs[0, -4:]
        episodes[0].acts[0] = int(np.argmin(masks))
    net = BasicRewardNet(venv.observation_space, venv.action_space)
    return trainer(
        demonstrations=episodes,
        demo_batch_size=32,
        venv=venv,
        gen_algo=model,
        reward_net=net,
        absorbing=True,
        **kwargs,
    )


def test_probabilities_are_spread_over_valid_actions_only() -> None:
    policy = game().policy
    obs = th.tensor([[1.0, 1.0, 1.0, 0.0, 1.0, 1.0]]).repeat(4, 1)
    probabilities = action_log_prob(policy, obs, th.arange(4)).exp()
    assert probabilities[1].item() < 1e-30
    assert probabilities.sum().item() == pytest.approx(1.0, abs=1e-5)
    logits = policy.get_distribution(obs[:1]).distribution.logits[0, [0, 2, 3]]
    expected = logits.softmax(0)
    assert probabilities[[0, 2, 3]].tolist() == pytest.approx(expected.tolist(), abs=1e-5)


def test_the_rollout_has_the_density_that_the_discriminator_sees() -> None:
    airl = game()
    airl.train(64)
    batch = airl.gen_replay_buffer.sample(64)
    log_prob = airl.sample_log_prob(batch)
    assert log_prob.min() > -5  # no action counts as impossible
    buffer = airl.gen_algo.rollout_buffer  # of the policy before its update
    shown = th.as_tensor(buffer.observations).reshape(-1, 6)
    taken = th.as_tensor(buffer.actions).reshape(-1)
    recorded = th.as_tensor(buffer.log_probs).reshape(-1)
    assert th.allclose(airl.past_policies.log_prob(shown, taken), recorded, atol=1e-5)


def test_masks_that_the_observations_do_not_hold_are_asked_for() -> None:
    with pytest.raises(InvalidValueError, match="observations do not hold them") as caught:
        game(wrappers=())
    assert "env=masked" in caught.value.remedy
    assert "trainer=gail" in caught.value.remedy


def test_gail_needs_no_masks() -> None:
    gail = game(GAIL, wrappers=())
    gail.train(64)
    assert gail.n_disc_updates == 2


def test_demonstrations_with_invalid_actions_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="1 of .* demonstrated actions are ones"):
        game(invalid=True)


def test_a_restored_state_gives_the_same_weights() -> None:
    whole, first, second = (game(rng=np.random.default_rng(1)) for _ in range(3))
    set_random_seed(1)
    whole.train(192)
    set_random_seed(1)
    first.train(128)
    assert second.load_state_dict(first.state_dict())
    second.train(192, completed_rounds=2)
    for name, weight in whole.policy.state_dict().items():
        assert th.equal(weight, second.policy.state_dict()[name]), name
