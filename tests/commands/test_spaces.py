"""Observations of every kind, with nothing but the environment's id, from training to reuse."""

from pathlib import Path

import numpy as np
import pytest
from gymnasium import spaces

import airl_cli
from support.cli import Airl
from support.goal import SPACES

FEW = (
    *("expert=random", "expert.n_episodes=4", "env.n_envs=2", "evaluation.n_episodes=2"),
    *("generator.n_steps=16", "generator.n_epochs=1", "trainer.n_disc_updates_before_pricing=1"),
)


@pytest.mark.parametrize("kind", SPACES)
def test_an_environment_trains_and_its_run_is_used_again(
    kind: str, airl: Airl, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    env = ("env=gym", f"env.id=Goal{kind}-v0", "env.import_module=support.goal")
    trained = airl("train", *env, *FEW, "trainer.total_timesteps=64", f"hydra.run.dir={run}")
    assert trained.code == 0, trained.err
    evaluated = airl("evaluate", f"run={run}", "evaluation.n_episodes=2")
    assert evaluated.code == 0, evaluated.err
    resumed = airl("train", f"resume={run}", "trainer.total_timesteps=96")
    assert resumed.code == 0, resumed.err
    assert "after 2 rounds" in resumed.out

    loaded = airl_cli.load_run(run)
    space = loaded.observation_space
    parts = isinstance(SPACES[kind], spaces.Dict | spaces.Tuple)
    assert space.shape == ((57,) if parts else SPACES[kind].shape)
    obs = np.stack([space.sample() for _ in range(3)])
    actions, _ = loaded.policy.predict(obs)
    reward = airl_cli.load_reward(run).predict(obs, actions, obs, np.zeros(3, dtype=bool))
    assert reward.shape == (3,)
    assert np.isfinite(reward).all()


@pytest.mark.parametrize(
    ("kind", "shape"), [("Dict", (3, 57)), ("Image", (36, 40, 3)), ("MultiBinary", (3, 6))]
)
def test_a_history_is_shown_to_policy_and_reward(
    kind: str, shape: tuple[int, ...], airl: Airl, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    env = ("env=gym", f"env.id=Goal{kind}-v0", "env.import_module=support.goal", "env.history=3")
    trained = airl("train", *env, *FEW, "trainer.total_timesteps=64", f"hydra.run.dir={run}")
    assert trained.code == 0, trained.err
    assert airl_cli.load_run(run).observation_space.shape == shape
    evaluated = airl("evaluate", f"run={run}", "evaluation.n_episodes=2")
    assert evaluated.code == 0, evaluated.err


def test_demonstrations_of_parts_are_kept_as_one_vector(airl: Airl, tmp_path: Path) -> None:
    env = ("env=gym", "env.id=GoalDict-v0", "env.import_module=support.goal")
    demos = tmp_path / "demos.npz"
    recorded = airl(
        "demos", "record", f"path={demos}", *env, "expert=random", "expert.n_episodes=4"
    )
    assert recorded.code == 0, recorded.err
    checked = airl("demos", "check", f"path={demos}", *env)
    assert checked.code == 0, checked.err
    few = [argument for argument in FEW if not argument.startswith("expert")]
    source = ("expert=trajectories", f"expert.path={demos}", "trainer.total_timesteps=64")
    trained = airl("train", *env, *few, *source)
    assert trained.code == 0, trained.err
