import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

from airl_cli.experts.training import ProgressCallback, TrainingProgress
from airl_cli.quiet import leave_no_log_folder
from support.line import Line


def test_a_line_comes_every_fifteen_seconds(news):
    now = [100.0]
    progress = TrainingProgress(1000, clock=lambda: now[0])
    for seconds, done in ((110, 200), (115, 300), (129, 500), (130, 600)):
        now[0] = seconds
        progress(done, lambda: 12.34)
    assert news() == [
        "expert: 30% of 1,000 steps, 20 steps/s, return 12.3",
        "expert: 60% of 1,000 steps, 20 steps/s, return 12.3",
    ]


def test_training_tells_steps_and_the_mean_return_of_the_latest_episodes():
    venv = make_vec_env(Line, n_envs=2)
    model = PPO("MlpPolicy", venv, n_steps=20, batch_size=20, device="cpu")
    leave_no_log_folder(model)
    seen = []
    model.learn(40, callback=ProgressCallback(lambda *told: seen.append((told[0], told[1]()))))
    assert [done for done, _ in seen] == list(range(2, 41, 2))
    returns = [info["r"] for info in model.ep_info_buffer]
    assert len(returns) == 4  # those of the last step's episodes come behind its callback
    assert seen[-1][1] == pytest.approx(sum(returns[:2]) / 2)
