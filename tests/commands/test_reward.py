"""`airl reward`."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

from airl_cli.commands.reward import writable_folder
from support.cli import Airl

QUICK = ("n_episodes=3", "n_mean_samples=16", "heat_map.resolution=12")
PICTURES = ("reward_along_episodes.png", "reward_heat_map.png")


@pytest.fixture
def maze(maze_run: Path, tmp_path: Path) -> Path:
    """A run of one's own, in the point maze."""
    return Path(shutil.copytree(maze_run, tmp_path / "maze"))


@pytest.fixture
def pole(trained_run: Path, tmp_path: Path) -> Path:
    """One in seals/CartPole, which does not say what its reward is."""
    return Path(shutil.copytree(trained_run, tmp_path / "pole"))


def measured(airl: Airl, run: Path, *overrides: str) -> dict[str, Any]:
    outcome = airl("reward", f"run={run}", *QUICK, *overrides)
    assert outcome.code == 0, outcome.err
    assert "Pearson" in outcome.out
    return json.loads((run / "reward.json").read_text())


@pytest.mark.parametrize("coverage", ["mixture", "box", "grid"])
def test_distances_and_pictures_go_into_the_run(airl: Airl, maze: Path, coverage: str) -> None:
    found = measured(airl, maze, f"coverage={coverage}")
    assert -1 <= found["pearson"] <= 1
    assert found["epic_distance"] == pytest.approx(((1 - found["pearson_canonical"]) / 2) ** 0.5)
    assert found["env_id"] == "airl/PointMaze-v0"
    assert found["coverage"]["n_samples"] > 1000
    assert found["true_reward"] == "function of the environment"
    for name in PICTURES:
        assert (maze / "plots" / name).read_bytes().startswith(b"\x89PNG")


def test_shaping_makes_no_difference_to_the_epic_distance(airl: Airl, maze: Path) -> None:
    found = measured(airl, maze, "coverage=grid")
    shaped = found["reward_train"]
    assert shaped["epic_distance"] == pytest.approx(found["epic_distance"], abs=1e-4)
    assert shaped["pearson"] != pytest.approx(found["pearson"], abs=1e-2)


def test_the_same_command_gives_the_same_numbers(airl: Airl, maze: Path) -> None:
    first = measured(airl, maze)
    assert first["discount"] == 0.99  # the generator's
    assert measured(airl, maze) == first


def test_seed_and_discount_can_be_given(airl: Airl, maze: Path) -> None:
    found = measured(airl, maze, "discount=0.5", "seed=3")
    assert (found["discount"], found["seed"]) == (0.5, 3)


def test_what_the_environment_cannot_say_is_left_open(airl: Airl, pole: Path) -> None:
    """No canonicalisation without a reward of arbitrary transitions; nothing is made up."""
    found = measured(airl, pole)
    assert -1 <= found["pearson"] <= 1
    assert found["epic_distance"] is None
    assert found["pearson_canonical"] is None
    assert "as a function of arbitrary transitions" in found["note"]
    assert 0 <= found["starc_distance"] <= 1  # needs no rewards but the sampled ones
    assert set(found["returns"]) == {"demonstrations", "learner", "random"}
    assert found["verdict"]["word"] in ("good", "doubtful", "poor")
    assert any("not measured" in reason for reason in found["verdict"]["reasons"])
    assert found["true_reward"] == "of the sampled transitions"


@pytest.mark.parametrize(
    ("coverage", "message"),
    [("grid", "does not say which states are reachable"), ("box", "is not known")],
)
def test_a_coverage_that_the_environment_cannot_serve_is_refused(
    airl: Airl, pole: Path, coverage: str, message: str
) -> None:
    outcome = airl("reward", f"run={pole}", "n_episodes=3", f"coverage={coverage}")
    assert outcome.code == 2
    assert message in outcome.err
    assert "coverage=mixture" in outcome.err
    assert not (pole / "reward.json").exists()


def test_a_reward_function_that_a_wrapper_belies_is_not_used(airl: Airl, maze: Path) -> None:
    wrapper = "{_target_:gymnasium.wrappers.TransformReward,_partial_:true,func:{_target_:"
    wrapper += "builtins.abs,_partial_:true}}"
    options = ("env=point_maze", f"env.wrappers=[{wrapper}]")
    found = measured(airl, maze, *options)
    assert found["epic_distance"] is None
    assert found["true_reward"] == "of the sampled transitions"


def test_a_gail_run_gets_a_warning(airl: Airl, maze: Path) -> None:
    path = maze / "config.json"
    config = json.loads(path.read_text())
    config["trainer"]["_target_"] = "airl_cli.algorithms.GAIL"
    path.write_text(json.dumps(config))
    outcome = airl("reward", f"run={maze}", *QUICK)
    assert outcome.code == 0
    assert "is not a reward" in outcome.out + outcome.err
    assert "reward_train" not in json.loads((maze / "reward.json").read_text())


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("heat_map.dimensions=[0,3]", "not two dimensions of the state"),
        ("heat_map.dimensions=[0.5,1]", "heat_map.dimensions"),
        ("heat_map.labels=[x]", "are not two"),
        ("heat_map.resolution=1", "heat_map.resolution must be"),
        ("n_episodes=0", "n_episodes must be"),
        ("n_mean_samples=0", "n_mean_samples must be"),
        ("discount=1.5", "discount must be"),
        ("coverage.n_samples=0", "coverage.n_samples=0"),
        ("coverage=sphere", "coverage has no option 'sphere'"),
        ("env=pendulum", "observation space"),
        ("reward=basic", "there is no key 'reward'"),
    ],
)
def test_what_makes_no_sense_is_refused(
    airl: Airl, maze: Path, override: str, message: str
) -> None:
    outcome = airl("reward", f"run={maze}", override)
    assert outcome.code == 2
    assert message in outcome.err
    assert not (maze / "reward.json").exists()


def test_a_directory_without_a_run_is_refused(airl: Airl, tmp_path: Path) -> None:
    outcome = airl("reward", f"run={tmp_path}")
    assert outcome.code == 2
    assert "is not a run directory" in outcome.err


def test_a_damaged_reward_is_refused(airl: Airl, maze: Path) -> None:
    (maze / "checkpoints" / "final" / "reward.safetensors").write_bytes(b"no weights")
    outcome = airl("reward", f"run={maze}")
    assert outcome.code == 2
    assert "reward.safetensors" in outcome.err


def test_several_runs_are_measured_by_a_multirun(airl: Airl, maze: Path, tmp_path: Path) -> None:
    other = shutil.copytree(maze, tmp_path / "other")
    outcome = airl("reward", "-m", f"run={maze},{other}", *QUICK, "coverage=grid")
    assert outcome.code == 0, outcome.err
    assert (maze / "reward.json").exists()
    assert (Path(other) / "reward.json").exists()


def test_a_run_that_cannot_be_written_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert writable_folder(tmp_path, tmp_path / "elsewhere") == tmp_path

    def refuse(**kwargs: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    assert writable_folder(tmp_path, tmp_path / "elsewhere") == tmp_path / "elsewhere"
