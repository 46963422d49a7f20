"""`airl train`, whole tiny runs."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import airl_cli
from airl_cli.commands import job
from support.cli import Airl, Outcome


def run_directories(root: Path) -> list[Path]:
    return sorted(path.parent for path in root.glob("outputs/train/**/status.json"))


def only_run(outcome: Outcome, root: Path) -> Path:
    assert outcome.code == 0, outcome.err
    (folder,) = run_directories(root)
    return folder


def metrics(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_everything_that_later_commands_need(smoke: Airl, tmp_path: Path) -> None:
    outcome = smoke()
    folder = only_run(outcome, tmp_path)
    names = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    assert {
        ".hydra/config.yaml",
        ".hydra/overrides.yaml",
        "config.json",
        "train.log",
        "result.json",
        "metrics.csv",
        "checkpoints/final/reward.safetensors",
        "checkpoints/final/policy.safetensors",
        "plots/learning_curve.png",
        "plots/reward.png",
    } <= names
    assert list((folder / "tensorboard").glob("events.out.tfevents.*"))
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".pt", ".zip"))]
    result = json.loads((folder / "result.json").read_text())
    assert result["env_id"] == "seals/CartPole-v0"
    assert (result["env_steps"], result["rounds"]) == (2048, 4)
    assert (result["n_demonstrations"], result["n_eval_episodes"]) == (4, 8)
    span = result["expert_return_mean"] - result["random_return_mean"]
    gain = result["learner_return_mean"] - result["random_return_mean"]
    assert result["normalized_score"] == pytest.approx(gain / span)
    assert len(metrics(folder)) == 4
    for word in ("learner", "expert", "random", "normalised score", "95 % interval"):
        assert word in outcome.out
    assert str(folder) in outcome.out


def test_the_reward_and_policy_come_back_from_the_directory(trained_run: Path) -> None:
    loaded = airl_cli.load_run(trained_run)
    obs = np.zeros((3, 4), dtype=np.float32)
    actions, _ = loaded.policy.predict(obs)
    rewards = airl_cli.load_reward(trained_run).predict(obs, actions, obs, np.zeros(3, dtype=bool))
    assert rewards.shape == (3,)
    assert np.isfinite(rewards).all()
    assert loaded.config["trainer"]["demo_batch_size"] == 128


def test_few_demonstrations_are_repeated_within_a_batch(smoke: Airl, tmp_path: Path) -> None:
    few = ("expert.n_episodes=1", "expert.subsample=20", "trainer.demo_batch_size=null")
    outcome = smoke(*few)
    assert (only_run(outcome, tmp_path) / "result.json").is_file()
    assert "batches of 512 repeat the 25 demonstrated transitions" in outcome.out


def test_the_same_seed_gives_the_same_run_and_another_seed_another(
    smoke: Airl, trained_run: Path, tmp_path: Path
) -> None:
    def losses(folder: Path, *overrides: str) -> list[str]:
        if overrides:
            assert smoke(f"hydra.run.dir={folder}", *overrides).code == 0
        return [row["disc_loss"] for row in metrics(folder)]

    first = losses(trained_run)
    assert losses(tmp_path / "a", "seed=0") == first
    assert losses(tmp_path / "b", "seed=1") != first


@pytest.mark.parametrize(
    "overrides",
    [
        ["trainer=gail"],
        ["reward=basic", "logger=csv"],
        ["reward=state_only", "generator=a2c"],
        ["reward=ensemble", "trainer.demo_minibatch_size=32"],
        ["trainer.total_timesteps=1e3", "torch_threads=null", "verbose=false"],
    ],
    ids=" ".join,
)
def test_other_options_train_too(smoke: Airl, tmp_path: Path, overrides: list[str]) -> None:
    folder = only_run(smoke(*overrides), tmp_path)
    assert (folder / "result.json").is_file()
    events = list(folder.rglob("events.out.tfevents.*"))
    assert bool(events) == ("logger=csv" not in overrides)


def test_the_expert_is_trained_once_and_reused_after_that(smoke: Airl, expert_cache: Path) -> None:
    assert smoke().code == 0
    kept = {path: path.stat().st_mtime_ns for path in expert_cache.glob("*/*.safetensors")}
    outcome = smoke("seed=5")
    assert outcome.code == 0
    assert "reusing the expert" in outcome.out
    assert kept
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_a_variable_horizon_can_be_accepted(smoke: Airl, tmp_path: Path) -> None:
    outcome = smoke(
        *("env=gym", "env.id=CartPole-v1", "trainer.allow_variable_horizon=true"),
        *("expert.n_episodes=30", "generator.n_epochs=1"),
    )
    assert only_run(outcome, tmp_path).joinpath("result.json").is_file()


def test_the_command_returns_the_score_for_sweepers(
    smoke: Airl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    returned: list[float] = []
    whole = job.run_job

    def spy(*args: object) -> float:
        returned.append(whole(*args))  # type: ignore[arg-type]
        return returned[-1]

    monkeypatch.setattr(job, "run_job", spy)
    folder = only_run(smoke(), tmp_path)
    result = json.loads((folder / "result.json").read_text())
    assert returned == [result["normalized_score"]]


def test_a_multirun_gives_one_directory_per_job(smoke: Airl, tmp_path: Path) -> None:
    outcome = smoke("-m", "seed=0,1", "reward=basic,shaped")
    assert outcome.code == 0, outcome.err
    folders = run_directories(tmp_path)
    assert [folder.name for folder in folders] == ["0", "1", "2", "3"]
    assert len({folder.parent for folder in folders}) == 1
    configs = [json.loads((folder / "config.json").read_text()) for folder in folders]
    jobs = {(config["seed"], config["reward"]["_target_"].rsplit(".")[-1]) for config in configs}
    assert len(jobs) == 4
    assert all((folder / "result.json").is_file() for folder in folders)


def test_a_failing_job_is_named_at_the_end_and_takes_no_other_along(
    smoke: Airl, tmp_path: Path
) -> None:
    outcome = smoke("-m", "trainer.demo_minibatch_size=128,100,64")
    assert outcome.code == 2
    assert outcome.err.startswith("error: 1 job of the multirun failed:\n  #1 ")
    assert "demo_minibatch_size=100 does not divide" in outcome.err
    assert "Traceback" not in outcome.err + outcome.out
    assert "Error executing job" not in outcome.err
    finished = sorted(path.parent.name for path in tmp_path.rglob("result.json"))
    assert finished == ["0", "2"]
