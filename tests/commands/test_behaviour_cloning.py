"""`airl train trainer=bc`, and generators that start as clones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

import airl_cli
from airl_cli.errors import InvalidValueError
from airl_cli.runs.metrics import read_metrics
from support.cli import Airl

SAMPLES = "trainer.total_timesteps=3840"


@pytest.fixture
def clone(smoke: Airl, tmp_path: Path) -> Path:
    outcome = smoke("trainer=bc", SAMPLES, "hydra.run.dir=clone")
    assert outcome.code == 0, outcome.err
    return tmp_path / "clone"


def test_a_run_of_cloning_is_one_that_later_commands_take(clone: Path, airl: Airl) -> None:
    result = json.loads((clone / "result.json").read_text())
    assert (result["env_steps"], result["rounds"]) == (0, 3)
    assert result["normalized_score"] is not None
    assert [row["samples"] for row in read_metrics(clone / "metrics.csv")] == [1280, 2560, 3840]
    assert not (clone / "checkpoints/final/reward.safetensors").exists()
    assert sorted(path.name for path in (clone / "plots").iterdir()) == [
        "learning_curve.png",
        "returns.png",
    ]
    for command in (
        ("evaluate", "run=clone", "evaluation.n_episodes=3"),
        ("verify", "run=clone", "rerun=true"),
        ("report", "clone"),
    ):
        outcome = airl(*command)
        assert outcome.code == 0, outcome.err


def test_there_is_no_reward_to_take(clone: Path, airl: Airl, tmp_path: Path) -> None:
    for command in ("transfer", "reward"):
        outcome = airl(command, "run=clone", "hydra.run.dir=out")
        assert outcome.code == 2
        assert "is a run of behaviour cloning, which learns no reward" in outcome.err
        assert "trainer=airl" in outcome.err
        assert not (tmp_path / "out").exists()
    with pytest.raises(InvalidValueError, match="learns no reward"):
        airl_cli.load_reward(clone)
    assert not hasattr(airl_cli.load_run(clone), "reward_net")


def test_cloning_that_is_extended_gives_the_same_as_at_once(
    clone: Path, smoke: Airl, airl: Airl
) -> None:
    half = "trainer.total_timesteps=2560"
    assert smoke("trainer=bc", half, "hydra.run.dir=half").code == 0
    outcome = airl("train", "resume=half", SAMPLES)
    assert outcome.code == 0, outcome.err
    policies = [
        load_file(folder / "checkpoints/final/policy.safetensors")
        for folder in (clone, clone.parent / "half")
    ]
    assert all((weight == policies[1][name]).all() for name, weight in policies[0].items())


def test_recipes_are_left_out_and_typed_ones_refused(airl: Airl) -> None:
    outcome = airl("train", "env=cartpole", "trainer=bc", "--cfg", "job")
    assert "total_timesteps: 512000" in outcome.out
    outcome = airl("train", "env=cartpole", "trainer=bc", "recipe=cartpole-ppo")
    assert outcome.code == 2
    assert "BC takes no argument" in outcome.err


def test_the_retrain_test_needs_a_reward(airl: Airl) -> None:
    outcome = airl("train", "env=cartpole", "trainer=bc", "evaluation.retrain=true")
    assert outcome.code == 2
    assert "evaluation.retrain=true" in outcome.err


def test_a_generator_starts_as_a_clone_once(
    smoke: Airl, airl: Airl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airl_cli.algorithms.cloning.WARM_START_STEPS", 40 * 256)
    outcome = smoke(
        *("generator.warm_start=bc", "trainer.total_timesteps=1024", "hydra.run.dir=warm")
    )
    assert outcome.code == 0, outcome.err
    assert "the generator starts as a clone: log-likelihood" in outcome.out
    cold = smoke("trainer.total_timesteps=1024", "hydra.run.dir=cold")
    assert "starts as a clone" not in cold.out
    assert airl("verify", "run=warm", "rerun=true").code == 0
    extended = airl("train", "resume=warm", "trainer.total_timesteps=2048")
    assert extended.code == 0, extended.err
    assert "starts as a clone" not in extended.out
    returned = airl("transfer", "run=warm", "generator.warm_start=bc", "hydra.run.dir=out")
    assert returned.code == 2
    assert "generator.warm_start" in returned.err
