import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from airl_cli.rewards import BasicRewardNet, RewardVecEnvWrapper
from airl_cli.util import configure


class Counter(gym.Env):
    """Observes the time; ends after 3 steps, by its own end or by a time limit."""

    observation_space = spaces.Box(0, 10, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, terminal: bool) -> None:
        self.terminal = terminal

    def reset(self, *, seed=None, options=None):
        self.time = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.time += 1
        end = self.time == 3
        obs = np.full(1, self.time, np.float32)
        return obs, -1.0, end and self.terminal, end and not self.terminal, {}


def counters() -> DummyVecEnv:
    return DummyVecEnv([lambda: Counter(True), lambda: Counter(False)])


def test_the_reward_is_a_function_of_the_true_transition() -> None:
    seen = []

    def reward(obs, acts, next_obs, dones):
        seen.append((obs[:, 0].tolist(), acts.tolist(), next_obs[:, 0].tolist(), dones.tolist()))
        return 10.0 * np.arange(1, len(obs) + 1)

    venv = RewardVecEnvWrapper(counters(), reward)
    for _ in range(4):
        _, rewards, ends, infos = venv.step(np.array([0, 1]))
        assert rewards.tolist() == [10, 20] and rewards.dtype == np.float32
        assert [info["original_env_rew"] for info in infos] == [-1, -1]
    assert [s[0] for s in seen] == [[0, 0], [1, 1], [2, 2], [0, 0]]
    assert [s[2] for s in seen] == [[1, 1], [2, 2], [3, 3], [1, 1]]
    assert [s[3] for s in seen] == [[False] * 2, [False] * 2, [True, False], [False] * 2]
    assert list(venv.episode_rewards) == [30, 60]


def test_a_policy_trains_on_a_reward_net_and_its_return_is_logged(tmp_path) -> None:
    inner = counters()
    net = BasicRewardNet(inner.observation_space, inner.action_space)
    venv = RewardVecEnvWrapper(inner, net.predict_processed, ep_history=4)
    model = PPO("MlpPolicy", venv, n_steps=6, batch_size=12, n_epochs=1, device="cpu")
    model.set_logger(configure(tmp_path, ["csv"]))
    model.learn(24, callback=venv.make_log_callback())
    assert len(venv.episode_rewards) == 4
    assert "rollout/ep_rew_wrapped_mean" in (tmp_path / "progress.csv").read_text()
    obs = np.array([[0], [1], [2]], np.float32)
    some = [sum(net.predict(obs, np.array(acts), obs + 1, np.zeros(3))) for acts in _sequences()]
    assert min(some) - 1e-4 <= venv.episode_rewards[0] <= max(some) + 1e-4


def _sequences() -> list[list[int]]:
    return [[i >> k & 1 for k in range(3)] for i in range(8)]


def test_rewards_of_another_shape_are_refused() -> None:
    venv = RewardVecEnvWrapper(counters(), lambda obs, acts, next_obs, dones: np.zeros((2, 1)))
    with pytest.raises(ValueError, match=r"shape \(2, 1\) for 2 environments"):
        venv.step(np.array([0, 1]))
