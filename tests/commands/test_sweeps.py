"""Multiruns with the launchers and sweepers of the extras, for real."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest
import yaml

from support import faults
from support.cli import Airl

SMALL = [argument for argument in faults.command("ppo", 2) if argument != "train"]


def results(folder: Path) -> dict[str, dict[str, object]]:
    """What the finished jobs of a sweep measured, by the job's directory."""
    return {path.parent.name: faults.result(path.parent) for path in folder.glob("*/result.json")}


def test_joblib_gives_what_one_process_gives_and_collects_failures(
    airl: Airl, tmp_path: Path
) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    arguments = ["train", "-m", *SMALL, "seed=5", "trainer.demo_minibatch_size=64,63"]
    parallel = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.sweep.dir=parallel"]
    outcome = airl(*arguments, *parallel)
    assert outcome.code == 2
    assert outcome.err.startswith("error: 1 job of the multirun failed:\n  #1 "), outcome.err
    assert "demo_minibatch_size=63 does not divide" in outcome.err
    assert airl(*arguments, "hydra.sweep.dir=basic").code == 2
    assert results(tmp_path / "parallel") == results(tmp_path / "basic")
    assert set(results(tmp_path / "basic")) == {"0"}
    threads = json.loads((tmp_path / "parallel/0/environment.json").read_text())["torch_threads"]
    assert threads == 1


def test_a_preempted_job_goes_on_when_its_cluster_starts_it_again(tmp_path: Path) -> None:
    """Submitit's local cluster stands in for Slurm: the same signal, pickles and requeueing."""
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    arguments = faults.command("ppo", 40, "-m", "seed=0", "trainer.checkpoint_every=null")
    output, run = tmp_path / "output.txt", tmp_path / "sweep/0"
    typed = ["hydra/launcher=submitit_local", f"hydra.sweep.dir={tmp_path / 'sweep'}"]
    process = faults.start([*arguments, *typed], output)
    while not (run / "metrics.csv").is_file() or len(faults.rows(run)) < 2:
        assert faults.alive(process), output.read_text()
        time.sleep(0.02)
    os.kill(json.loads((run / "status.json").read_text())["pid"], signal.SIGUSR2)
    assert faults.exit_code(process) == 0, output.read_text()
    (log,) = tmp_path.glob("sweep/.submitit/*/*_log.out")
    rounds = re.search(r"resuming \S+ after (\d+) rounds", log.read_text())
    assert rounds is not None, log.read_text()
    assert 2 <= int(rounds.group(1)) < 40
    assert json.loads((run / "status.json").read_text())["status"] == "finished"
    assert len(faults.rows(run)) == 40


@pytest.fixture
def sbatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with commands of Slurm's names, which refuse every job."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sbatch", "srun", "scontrol"):
        (folder / name).write_text("#!/bin/sh\necho 'no such partition' >&2\nexit 1\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def test_slurm_gets_a_script_that_asks_for_what_was_typed(
    airl: Airl, tmp_path: Path, sbatch: Path
) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    outcome = airl(
        *("train", "-m", *SMALL, "seed=0,1,2", "hydra/launcher=submitit_slurm"),
        *("hydra.launcher.partition=short", "hydra.launcher.timeout_min=90"),
        *("hydra.launcher.array_parallelism=2", "hydra.launcher.setup=[module load cuda]"),
        *("+hydra.launcher.additional_parameters.mail-type=END", "hydra.sweep.dir=sweep"),
    )
    assert outcome.code == 1
    assert "error: the launcher failed: FailedJobError: no such partition" in outcome.err
    (script,) = (tmp_path / "sweep/.submitit").rglob("*.sh")
    lines = script.read_text().splitlines()
    for line in (
        "#SBATCH --array=0-2%2",
        "#SBATCH --partition=short",
        "#SBATCH --time=90",
        "#SBATCH --signal=USR2@120",  # half of what it takes to be requeued
        "#SBATCH --cpus-per-task=1",
        "#SBATCH --mem=4GB",
        "#SBATCH --mail-type=END",
        "#SBATCH --job-name=train",
        "module load cuda",
    ):
        assert line in lines
    assert any(line.startswith("srun ") and "submitit.core._submit" in line for line in lines)


def test_where_there_is_no_slurm_that_is_said(
    airl: Airl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    monkeypatch.setenv("PATH", str(tmp_path))
    outcome = airl("train", "-m", "seed=0,1", "hydra/launcher=submitit_slurm")
    assert outcome.code == 2
    assert outcome.err.splitlines() == [
        "error: hydra/launcher=submitit_slurm needs Slurm: there is no sbatch here.",
        "Call it where jobs are submitted; hydra/launcher=submitit_local runs the same here, "
        "without Slurm.",
    ]


def test_a_search_goes_on_and_leaves_a_recipe(airl: Airl, tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna")
    arguments = [
        *("train", "-m", *SMALL, "hydra/sweeper=optuna", "hydra.sweeper.study_name=mine"),
        *("generator.learning_rate=interval(1e-4,1e-2)", "generator.policy=choice(MlpPolicy,No)"),
        *("expert=ppo", "expert.total_timesteps=20000"),  # random actions give no score
        "hydra.sweep.dir=mine",
    ]
    assert airl(*arguments, "hydra.sweeper.n_trials=1").code == 0
    storage = f"sqlite:///{tmp_path}/mine/study.db"
    study = optuna.load_study(study_name="mine", storage=storage)
    study.enqueue_trial({"generator.learning_rate": 1e-3, "generator.policy": "No"})
    lost = study.ask()  # as if the process had been killed in a trial that does not work
    lost.suggest_float("generator.learning_rate", 1e-4, 1e-2)
    lost.suggest_categorical("generator.policy", ["MlpPolicy", "No"])
    said = airl(*arguments, "hydra.sweeper.n_trials=3")
    assert said.code == 0, said.err
    assert "resuming the study mine: 1 of 3 trials are done, 1 were interrupted" in said.out
    assert re.search(r"trial 3/3: \S+, best \S+ \(trial \d\)", said.out), said.out
    trials = optuna.load_study(study_name="mine", storage=storage).trials
    assert [trial.state.name for trial in trials[1:3]] == ["FAIL", "FAIL"]  # lost, and once more
    assert trials[2].params == lost.params
    assert len(trials) == 4
    best = max((t for t in trials if t.value is not None), key=lambda trial: trial.value)
    recipe = yaml.safe_load((tmp_path / "mine/recipe/mine.yaml").read_text())
    assert recipe["generator"]["learning_rate"] == best.params["generator.learning_rate"]
    used = airl("train", "--config-dir", "mine", "recipe=mine", "--cfg", "job")
    assert used.code == 0, used.err
    generator = yaml.safe_load(used.out)["generator"]
    assert generator["learning_rate"] == best.params["generator.learning_rate"]


def test_a_search_refuses_a_seed_of_its_own(airl: Airl) -> None:
    pytest.importorskip("optuna")
    outcome = airl("train", "-m", "sweep=airl_cartpole", "seed=3")
    assert outcome.code == 2
    assert "hydra.sweeper.seeds=[10, 11]" in outcome.err


@pytest.mark.parametrize(
    ("choice", "plugin", "extra"),
    [
        ("hydra/launcher=joblib", "hydra_plugins.hydra_joblib_launcher", "parallel"),
        ("hydra/launcher=submitit_local", "hydra_plugins.hydra_submitit_launcher", "slurm"),
        ("hydra/launcher=ray", "ray", "ray"),
        ("hydra/sweeper=optuna", "optuna", "optuna"),
        ("sweep=airl_cartpole", "optuna", "optuna"),
    ],
)
def test_a_missing_extra_is_named_before_anything_runs(
    airl: Airl,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    choice: str,
    plugin: str,
    extra: str,
) -> None:
    for name in [*sys.modules]:
        if name.startswith(("airl_cli.sweeps.", plugin)) and not name.endswith(".extras"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, plugin, None)  # as if it were not installed
    outcome = airl("train", "-m", "experiment=smoke", "seed=0,1", choice)
    assert outcome.code == 2
    problem, remedy = outcome.err.splitlines()
    assert problem.startswith(f"error: this needs the extra {extra!r}, which is not installed")
    assert remedy == f'Install it: pip install "airl-cli[{extra}]"'
    assert not list(tmp_path.rglob("result.json"))


@pytest.mark.parametrize(
    ("typed", "guess"), [("hydra/launcher=joblb", "'joblib'"), ("hydra/sweeper=optna", "'optuna'")]
)
def test_a_misspelt_launcher_gets_a_guess(airl: Airl, typed: str, guess: str) -> None:
    outcome = airl("train", "-m", "seed=0,1", typed)
    assert outcome.code == 2
    assert f"Did you mean {guess}?" in outcome.err


def test_a_misspelt_key_of_a_launcher_gets_a_guess(airl: Airl) -> None:
    outcome = airl("train", "-m", "seed=0,1", "hydra/launcher=joblib", "hydra.launcher.n_job=2")
    assert outcome.code == 2
    assert "Did you mean 'hydra.launcher.n_jobs'?" in outcome.err


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra ray is missing")
def test_a_ray_address_that_does_not_answer_is_given_up(airl: Airl) -> None:
    address = "127.0.0.1:9"  # nobody listens to the discard port
    outcome = airl(
        *("train", "-m", "seed=0,1", "hydra/launcher=ray", "hydra.launcher.timeout=1"),
        f"hydra.launcher.ray.init.address={address}",
    )
    assert outcome.code == 2
    problem, remedy = outcome.err.splitlines()
    assert problem.endswith(f"init.address={address}: nothing within 1 s")
    assert remedy.startswith("Start one (ray start --head)")
