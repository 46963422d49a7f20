import importlib
import json
import subprocess

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from airl_cli.config import conf_dir


@pytest.fixture
def untuned(root_on_path):
    return importlib.import_module("benchmarks.untuned.run")


def test_the_command_gives_nothing_but_the_task_its_steps_and_the_seed(
    untuned, tmp_path, monkeypatch
):
    seen = []

    def run(command, **_):
        seen.append(command[3:])
        return subprocess.CompletedProcess(command, 0, stderr="")

    monkeypatch.setattr(untuned.subprocess, "run", run)
    untuned.run("CartPole-v1", 2, tmp_path)
    ours = {f"hydra.run.dir={tmp_path / 'CartPole-v1-2'}", "resume=auto"}
    given = [word for word in seen[0] if word not in ours]
    assert given == [
        "train",
        "env=gym",
        "env.id=CartPole-v1",
        "seed=2",
        "trainer.total_timesteps=100000",
    ]


def test_a_refused_task_keeps_its_message_and_counts_as_zero(untuned, tmp_path, monkeypatch):
    stderr = "error: Dict observations are not supported\n  Use a wrapper.\n"
    monkeypatch.setattr(
        untuned.subprocess,
        "run",
        lambda command, **_: subprocess.CompletedProcess(command, 2, stderr=stderr),
    )
    untuned.run("FrozenLake-v1", 0, tmp_path)
    rows = untuned.gathered(tmp_path)
    assert rows[0]["problem"] == "error: Dict observations are not supported"
    assert untuned.scores_of(rows) == [0.0]


def test_the_table_has_a_row_per_task_and_the_mean_over_all_runs(untuned, tmp_path):
    for seed, score in [(0, 1.0), (1, 0.9)]:
        folder = tmp_path / f"CartPole-v1-{seed}"
        folder.mkdir()
        returns = {f"{who}_return_mean": 1.0 for who in ("random", "expert", "learner")}
        (folder / "result.json").write_text(json.dumps({**returns, "normalized_score": score}))
        outcome = {"task": "CartPole-v1", "seed": seed, "exit_code": 0, "cpu_seconds": 1.0}
        (folder / untuned.OUTCOME).write_text(json.dumps(outcome))
    versions = dict.fromkeys(("python", "torch", "stable_baselines3", "gymnasium"), "1")
    facts = {
        **{"load_average": [0.0], "command": "", "date": "", "cpu": "", "cpus_usable": 1},
        "versions": versions,
        "runs": untuned.gathered(tmp_path),
    }
    lines = untuned.table(facts)
    assert lines[2].startswith("| CartPole-v1 | 100,000 |") and "0.950" in lines[2]
    assert "Interquartile mean over all runs: 0.950" in "\n".join(lines)


def test_the_only_recipe_of_the_tasks_is_about_features_and_the_expert():
    task = ["env=gym", "env.id=Hopper-v5"]
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        given = compose("train", task)
        without = compose("train", [*task, "recipe=none", "recipe/expert=none"])
    OmegaConf.set_struct(given, False)
    OmegaConf.set_struct(without, False)
    for algorithm in (given.generator, given.expert.algorithm):
        extractor = algorithm.policy_kwargs.pop("features_extractor_class")
        assert extractor._target_ == "airl_cli.features.NormalizedFeatures"
    assert given.expert.pop("n_candidates") > without.expert.pop("n_candidates")
    assert given.expert.stop_when_settled
    given.expert.stop_when_settled = without.expert.stop_when_settled
    assert all(given[section] == without[section] for section in given if section != "recipe")
    assert given.trainer.absorbing
