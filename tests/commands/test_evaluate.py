"""`airl evaluate`."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from support.cli import Airl


@pytest.fixture
def finished(trained_run: Path, tmp_path: Path) -> Path:
    """A finished run of one's own."""
    return Path(shutil.copytree(trained_run, tmp_path / "run"))


def evaluated(airl: Airl, run: Path, *overrides: str) -> dict:
    outcome = airl("evaluate", f"run={run}", "hydra.run.dir=again", *overrides)
    assert outcome.code == 0, outcome.err
    assert "normalised score" in outcome.out
    return json.loads(Path("again/result.json").read_text())


def test_it_repeats_the_runs_own_evaluation(airl: Airl, finished: Path) -> None:
    before = json.loads((finished / "result.json").read_text())
    after = evaluated(airl, finished)
    for key in ("learner", "expert", "random"):
        assert after[f"{key}_return_mean"] == before[f"{key}_return_mean"]
    assert after["normalized_score"] == before["normalized_score"]
    assert after["n_eval_episodes"] == 8


def test_another_seed_and_number_of_episodes_can_be_asked_for(airl: Airl, finished: Path) -> None:
    before = json.loads((finished / "result.json").read_text())
    after = evaluated(airl, finished, "seed=11", "evaluation.n_episodes=4")
    assert (after["seed"], after["n_eval_episodes"]) == (11, 4)
    assert after["random_return_mean"] != before["random_return_mean"]


def test_the_run_directory_is_left_as_it_was(airl: Airl, finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    evaluated(airl, finished)
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before


def test_another_environment_with_the_same_spaces_gets_an_expert_of_its_own(
    airl: Airl, finished: Path, expert_cache: Path
) -> None:
    result = evaluated(
        *(airl, finished, "env=cartpole", "env.max_episode_steps=100", "expert=ppo"),
        *("expert.total_timesteps=20480", "expert.n_episodes=4", "expert.algorithm.n_steps=128"),
        *("expert.algorithm.gae_lambda=0.95", "expert.algorithm.learning_rate=2e-3"),
        f"expert.cache_dir={expert_cache}",
    )
    assert result["learner_return_mean"] <= 100
    assert result["expert_return_mean"] <= 100


def test_an_environment_with_other_spaces_is_refused(airl: Airl, finished: Path) -> None:
    outcome = airl("evaluate", f"run={finished}", "env=pendulum")
    assert outcome.code == 2
    assert "observation space" in outcome.err
    assert "Pendulum-v1" in outcome.err


def test_a_directory_without_a_run_is_refused(airl: Airl, tmp_path: Path) -> None:
    outcome = airl("evaluate", f"run={tmp_path}")
    assert outcome.code == 2
    assert "is not a run directory" in outcome.err
    assert not list(tmp_path.glob("outputs/evaluate/*"))


def test_a_run_that_names_foreign_code_is_refused(airl: Airl, finished: Path) -> None:
    path = finished / "config.json"
    config = json.loads(path.read_text())
    config["expert"] = {"_target_": "os.system", "command": "touch owned"}
    path.write_text(json.dumps(config))
    outcome = airl("evaluate", f"run={finished}")
    assert outcome.code == 2
    assert "os.system" in outcome.err
    assert not Path("owned").exists()


def test_an_evaluation_has_a_picture_of_its_returns(airl: Airl, finished: Path) -> None:
    evaluated(airl, finished)
    assert Path("again/plots/returns.png").read_bytes().startswith(b"\x89PNG")
    assert not Path("again/videos").exists()


def test_videos_are_recorded_beside_the_evaluation_and_change_nothing_in_it(
    airl: Airl, maze_run: Path
) -> None:
    pytest.importorskip("moviepy", reason="the extra 'video' is not installed")
    before = json.loads((maze_run / "result.json").read_text())
    after = evaluated(airl, maze_run, "video=true", "video_episodes=2", "video_steps=5")
    assert after["learner_return_mean"] == before["learner_return_mean"]
    videos = sorted(Path("again/videos").iterdir())
    assert [path.name for path in videos] == ["episode-0.mp4", "episode-1.mp4"]
    assert all(path.read_bytes()[4:8] == b"ftyp" for path in videos)


def test_videos_without_the_extra_are_refused_before_anything_is_evaluated(
    airl: Airl, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "moviepy", None)
    outcome = airl("evaluate", f"run={finished}", "video=true", "hydra.run.dir=again")
    assert outcome.code == 2
    assert outcome.err.count("\n") == 2
    assert 'pip install "airl-cli[video]"' in outcome.err
    assert not Path("again").exists()
