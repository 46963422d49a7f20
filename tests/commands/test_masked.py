"""`env=masked`: environments with invalid actions, from expert to evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.cli import Airl

pytest.importorskip("sb3_contrib")
GRID = ("env=masked", "env.id=support.masked:MaskedGrid-v0", "env.n_envs=4")
EXPERT = (
    "expert=maskable_ppo",
    "expert.n_envs=4",
    "expert.total_timesteps=6144",
    "expert.n_episodes=40",
)
GENERATOR = ("generator=maskable_ppo", "generator.n_steps=64", "trainer.demo_batch_size=32")
SMALL = ("trainer.total_timesteps=1024", "evaluation.n_episodes=4", "hydra.run.dir=run")


def test_a_masked_expert_and_generator_never_take_an_invalid_action(
    airl: Airl, tmp_path: Path
) -> None:
    """The grid raises for one, in training, demonstrations and evaluation."""
    outcome = airl("train", *GRID, *EXPERT, *GENERATOR, *SMALL)
    assert outcome.code == 0, outcome.err
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert result["expert_return_mean"] > result["random_return_mean"]
    outcome = airl("evaluate", "run=run", "trust=[support]", "evaluation.n_episodes=3")
    assert outcome.code == 0, outcome.err


def test_a_generator_without_masks_is_told_of_the_invalid_action(airl: Airl) -> None:
    outcome = airl("train", *GRID, *SMALL, "expert=random", "trainer.demo_batch_size=32")
    assert outcome.code == 2
    assert "is invalid at" in outcome.err
