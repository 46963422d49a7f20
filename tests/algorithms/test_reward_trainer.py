import numpy as np
import pytest
import torch as th
from stable_baselines3 import PPO, SAC, TD3

from airl_cli.algorithms import RewardTrainer
from airl_cli.algorithms.batch import TransitionBatch
from airl_cli.algorithms.schedule import Annealed
from airl_cli.rewards import BasicRewardNet, RewardNet
from support.line import Line, line_venv


class AtHome(RewardNet):
    """Pays for being at -0.5, not at 0.5 as the environment does."""

    def forward(self, state, action, next_state, done):  # noqa: ANN001, ANN202
        return -(state[:, 0] + 0.5).abs()


def trainer(algorithm=PPO, reward_net="home", gen=None, **kwargs) -> RewardTrainer:
    venv = line_venv()
    settings = {"device": "cpu", "seed": 0, **(gen or {})}
    if algorithm is PPO:
        settings = {"n_steps": 50, "batch_size": 100, "learning_rate": 1e-2, **settings}
    if reward_net == "home":
        reward_net = AtHome(venv.observation_space, venv.action_space)
    return RewardTrainer(
        venv=venv,
        gen_algo=algorithm("MlpPolicy", venv, **settings),
        reward_net=reward_net,
        **kwargs,
    )


def mean_position(game: RewardTrainer) -> float:
    obs, positions = game.venv.reset(), []
    for _ in range(50):
        acts, _ = game.policy.predict(obs)
        obs = game.venv.step(acts)[0]
        positions.append(obs[:, 0].mean())
    return float(np.mean(positions))


def test_the_given_reward_is_what_the_policy_learns() -> None:
    game = trainer()
    game.train(200 * 12)
    assert mean_position(game) < -0.2
    assert game.stats["learned_return_mean"] > game.stats["true_return_mean"]


def test_without_a_net_the_environments_reward_counts() -> None:
    game = trainer(reward_net=None)
    game.train(200 * 12)
    assert mean_position(game) > 0.2
    assert game.stats["learned_return_mean"] == pytest.approx(game.stats["true_return_mean"])


def test_the_net_stands_still() -> None:
    net = BasicRewardNet(Line().observation_space, Line().action_space)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    trainer(reward_net=net).train(400)
    assert all(th.equal(before[key], value) for key, value in net.state_dict().items())


def test_the_reward_holds_minus_tau_log_pi_and_tau_is_reported() -> None:
    game = trainer(temperature=Annealed(1.0, 0.01))
    batch = TransitionBatch.of(
        {
            "obs": np.zeros((3, 2)),
            "acts": np.array([[-1.0], [0.2], [1.0]]),
            "next_obs": np.zeros((3, 2)),
            "dones": np.zeros(3),
        }
    )
    taus: list[float] = []

    def check(_: int) -> None:
        taus.append(game.stats["temperature"])
        expected = -0.5 - taus[-1] * game.policy_log_prob(batch).numpy()
        np.testing.assert_allclose(game.generator_reward(batch, np.zeros(3)), expected, rtol=1e-5)

    game.train(800, check)
    assert taus == pytest.approx([10**-0.5, 0.1, 10**-1.5, 0.01])


def test_entropy_keeps_the_policy_wide() -> None:
    deviations = []
    for tau in (0.0, 1.0):
        game = trainer(temperature=tau, reward_net=None)
        game.train(200 * 10)
        deviations.append(game.policy.log_std.exp().item())
    assert deviations[1] > 1.2 * deviations[0]


def test_off_policy_generators_learn_from_it_too() -> None:
    game = trainer(SAC, gen={"learning_starts": 100, "buffer_size": 2000})
    game.train(400)
    samples = game.gen_algo.replay_buffer.sample(10)
    th.testing.assert_close(samples.rewards.flatten(), -(samples.observations[:, 0] + 0.5).abs())


def test_an_entropy_needs_log_probabilities() -> None:
    with pytest.raises(TypeError, match="TD3"):
        trainer(TD3, temperature=0.5, gen={"buffer_size": 10})
