"""What the first edition wrote is still read."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import airl_cli
from airl_cli.data import formats

FIRST_EDITION = Path(__file__).parents[1] / "data" / "first_edition"


@pytest.mark.parametrize("name", ["ppo", "sac"])
def test_a_run_of_the_first_edition_acts_and_rewards(name, tmp_path):
    shutil.copytree(FIRST_EDITION / name, tmp_path / "run")
    run = airl_cli.load_run(tmp_path / "run")
    obs = np.stack([run.observation_space.sample() for _ in range(3)])
    actions, _ = run.policy.predict(obs)
    rewards = airl_cli.load_reward(tmp_path / "run").predict(obs, actions, obs, np.zeros(3, bool))
    assert actions.shape == (3, *run.action_space.shape)
    assert rewards.shape == (3,) and np.isfinite(rewards).all() and rewards.std() > 0


def test_demonstrations_of_the_first_edition_are_read():
    trajectories = list(formats.read(str(FIRST_EDITION / "demos.npz")).trajectories)
    assert [len(t) for t in trajectories] == [500, 500]
