"""Behaviour cloning, as a trainer and as a warm start."""

from __future__ import annotations

import numpy as np
import pytest
import torch as th
from stable_baselines3 import A2C, DQN, PPO, SAC
from stable_baselines3.common.logger import Logger

from airl_cli.algorithms import BC
from airl_cli.algorithms.batch import TransitionBatch
from airl_cli.algorithms.cloning import Cloning, warm_start
from airl_cli.algorithms.log_prob import action_log_prob
from airl_cli.data import Transitions
from airl_cli.errors import InvalidTypeError, InvalidValueError, NonFiniteError
from airl_cli.serialization import join, split
from support.line import line_demonstrations, line_venv


def learner(algorithm=PPO, **kwargs) -> BC:
    th.manual_seed(0)
    venv = line_venv()
    settings = {"demonstrations": line_demonstrations(), "demo_batch_size": 32, **kwargs}
    model = algorithm("MlpPolicy", venv, device="cpu", seed=0)
    return BC(venv=venv, gen_algo=model, custom_logger=Logger(None, []), **settings)


@pytest.mark.parametrize("algorithm", [PPO, A2C, SAC])
def test_the_clone_acts_as_the_demonstrator(algorithm) -> None:
    bc = learner(algorithm, learning_rate=3e-3)
    bc.train(300 * 32)
    obs = np.array([[-0.4, 0.1], [0.3, 0.5], [0.5, 0.5]], dtype=np.float32)
    acts, _ = bc.policy.predict(obs, deterministic=True)
    wanted = np.clip(3.0 * (0.5 - obs[:, :1]), -1, 1)
    assert np.abs(acts - wanted).max() < 0.35  # the demonstrator has noise of up to 0.1


def test_actions_at_a_bound_count_as_the_tail_of_the_gaussian() -> None:
    """Draws of N(0.8, 0.5) clipped to [-1, 1]: a plain Gaussian's best mean is 0.68."""
    drawn = np.random.default_rng(0).normal(0.8, 0.5, (4000, 1))
    obs = np.zeros((4000, 2), np.float32)
    batch = TransitionBatch.of(
        {
            "obs": obs,
            "acts": np.clip(drawn, -1, 1).astype(np.float32),
            "next_obs": obs,
            "dones": np.zeros(4000, bool),
        }
    )
    assert batch.acts.mean() == pytest.approx(0.68, abs=0.02)
    th.manual_seed(0)
    policy = PPO("MlpPolicy", line_venv(), device="cpu", policy_kwargs={"net_arch": []}).policy
    cloning = Cloning(policy, learning_rate=0.05)
    for _ in range(150):
        cloning.update(batch)
    normal = policy.get_distribution(th.zeros(1, 2)).distribution
    assert normal.mean.item() == pytest.approx(0.8, abs=0.03)
    assert normal.stddev.item() == pytest.approx(0.5, abs=0.03)


def test_each_round_reports_the_likelihood_and_takes_no_environment_step() -> None:
    bc = learner(updates_per_round=5)
    rows = []
    bc.train(480, lambda number: rows.append((number, bc.stats["log_prob"], bc.stats["samples"])))
    assert [row[0] for row in rows] == [0, 1, 2]
    assert [row[2] for row in rows] == [160, 320, 480]
    assert rows[-1][1] > rows[0][1]
    assert bc.stats["env_steps"] == bc.gen_algo.num_timesteps == 0


def test_a_restored_state_gives_the_same_weights() -> None:
    whole, first, second = (learner(updates_per_round=5) for _ in range(3))
    whole.train(640)
    first.train(320)
    part, tensors = split(first.state_dict())
    second.load_state_dict(join(part, tensors))
    second.train(640, completed_rounds=2)
    for name, weight in whole.policy.state_dict().items():
        assert th.equal(weight, second.policy.state_dict()[name]), name


def test_few_demonstrations_are_repeated_unless_a_batch_size_is_given() -> None:
    few = line_demonstrations(n_episodes=1)[:1]
    assert learner(demonstrations=few, demo_batch_size=None).demo_batch_size == 256
    with pytest.raises(InvalidValueError, match="demo_batch_size=32 is more than the 10"):
        learner(demonstrations=few)


def test_a_rate_that_breaks_the_net_leaves_the_weights_of_the_round_before() -> None:
    bc = learner(updates_per_round=3, learning_rate=1e30)
    before = {name: weight.clone() for name, weight in bc.policy.state_dict().items()}
    with pytest.raises(NonFiniteError, match="round 0"):
        bc.train(96)
    assert all(th.equal(weight, before[name]) for name, weight in bc.policy.state_dict().items())


def test_a_policy_without_probabilities_is_refused() -> None:
    venv = line_venv(discrete=True)
    with pytest.raises(InvalidTypeError, match="BC cannot train DQN") as caught:
        BC(demonstrations=None, venv=venv, gen_algo=DQN("MlpPolicy", venv, device="cpu"))
    assert "PPO" in caught.value.remedy


def test_a_warm_start_moves_the_policy_and_no_random_stream(monkeypatch) -> None:
    monkeypatch.setattr("airl_cli.algorithms.cloning.WARM_START_STEPS", 100 * 256)
    venv, demonstrations = line_venv(), line_demonstrations()
    model = PPO("MlpPolicy", venv, device="cpu", seed=0)
    batch = TransitionBatch.of(_columns(demonstrations))
    before = action_log_prob(model.policy, batch.obs, batch.acts).mean()
    critic = model.policy.value_net.weight.clone()
    state = th.get_rng_state()
    reached = warm_start(model, venv, demonstrations, np.random.default_rng(0))
    assert reached > before + 0.05
    assert th.equal(th.get_rng_state(), state)
    assert th.equal(model.policy.value_net.weight, critic)


def _columns(demonstrations) -> dict[str, np.ndarray]:
    from airl_cli.data.rollout import flatten_trajectories

    flat: Transitions = flatten_trajectories(demonstrations)
    return {name: getattr(flat, name) for name in TransitionBatch._fields}
