"""Recordings that hold observations alone."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from airl_cli.data import formats
from airl_cli.envs import EnvSpec
from airl_cli.errors import InvalidValueError
from airl_cli.experts import RandomExpert, TrajectoriesExpert
from support.cli import Airl

PENDULUM = EnvSpec("Pendulum-v1", n_envs=2, max_episode_steps=10)
rng = np.random.default_rng(0)
OBS = np.clip(rng.normal(size=(3, 11, 3)), -1, 1).astype(np.float32)
FLAT = OBS.reshape(-1, 3)
ENDS = np.tile([False] * 9 + [True], 3)


def episodes_in_a_list() -> dict[str, np.ndarray]:
    ragged = np.empty(3, dtype=object)
    ragged[:] = [OBS[0], OBS[1][:8], OBS[2]]
    return {"obs": ragged}


@pytest.mark.parametrize(
    ("arrays", "lengths"),
    [
        ({"obs": FLAT, "lengths": np.full(3, 10)}, [10, 10, 10]),
        ({"obs": OBS}, [10, 10, 10]),
        (
            {
                "obs": OBS[:, :-1].reshape(-1, 3),
                "next_obs": OBS[:, 1:].reshape(-1, 3),
                "dones": ENDS,
            },
            [10, 10, 10],
        ),
        ({"obs": FLAT, "lengths": np.full(3, 10), "rews": np.ones(30)}, [10, 10, 10]),
        (episodes_in_a_list(), [10, 7, 10]),
    ],
)
def test_arrays_without_actions_are_episodes_of_observations(arrays, lengths) -> None:
    found = formats.read(arrays).trajectories
    assert [len(episode) for episode in found] == lengths
    assert all(episode.acts.shape == (len(episode), 0) for episode in found)
    np.testing.assert_array_equal(found[0].obs, OBS[0])


def test_what_does_not_say_how_long_episodes_are_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"no array 'acts'.*\n.*give lengths"):
        formats.read({"obs": FLAT})


@pytest.fixture
def table(tmp_path: Path) -> Path:
    frame = pd.DataFrame({"episode": np.repeat(range(3), 11)})
    for axis in range(3):
        frame[f"obs_{axis}"] = FLAT[:, axis]
    frame.to_csv(tmp_path / "seen.csv", index=False)
    return tmp_path / "seen.csv"


def test_a_table_without_actions_goes_through_every_command(airl: Airl, table: Path) -> None:
    shown = airl("demos", "info", f"path={table}")
    assert shown.code == 0 and "none are known" in shown.out
    checked = airl("demos", "check", f"path={table}", "env=pendulum", "env.max_episode_steps=10")
    assert checked.code == 0 and "the recording holds no actions" in checked.out
    for output in ("a.safetensors", "a.npz"):
        assert airl("demos", "convert", f"path={table}", f"output={output}").code == 0
        again = formats.read(output).trajectories
        assert [episode.acts.shape for episode in again] == [(10, 0)] * 3
        np.testing.assert_allclose(again[2].obs, OBS[2], rtol=1e-6)


@pytest.mark.parametrize("memory_limit", [256, 0])
def test_an_expert_shows_observations_alone_where_it_is_asked_to(tmp_path, memory_limit) -> None:
    path = str(tmp_path / "both.safetensors")
    formats.write(path, RandomExpert(4).demonstrations(PENDULUM, seed=0).trajectories)
    for expert in (
        TrajectoriesExpert(path, use_actions=False, memory_limit=memory_limit),
        TrajectoriesExpert(path, use_actions=False, subsample=3),
        RandomExpert(4, use_actions=False),
    ):
        found = expert.demonstrations(PENDULUM, seed=0)
        assert found.provenance["use_actions"] is False
        assert all(episode.acts.shape[1:] == (0,) for episode in found.trajectories)
        training = found.for_training
        if hasattr(training, "rows"):
            assert training.rows(np.arange(3))["acts"].shape == (3, 0)
        elif hasattr(training, "acts"):
            assert training.acts.shape[1:] == (0,)


def test_training_from_a_table_without_actions(airl: Airl, table: Path) -> None:
    typed = ("experiment=smoke", "env=pendulum", "env.max_episode_steps=10", "recipe=none")
    typed += ("trainer.demo_batch_size=null",)
    source = ("expert=trajectories", f"expert.path={table}", "recipe/expert=none")
    refused = airl("train", *typed, *source, "hydra.run.dir=refused")
    assert refused.code == 2
    assert "hold no actions" in refused.err and "reward=state_only" in refused.err
    assert not Path("refused").exists()
    done = airl("train", *typed, *source, "reward=state_only", "hydra.run.dir=run")
    assert done.code == 0, done.err
    assert Path("run/plots/reward.png").is_file()
    measured = airl("reward", "run=run", "n_episodes=2", "coverage.demonstrations=0")
    assert measured.code == 0, measured.err
