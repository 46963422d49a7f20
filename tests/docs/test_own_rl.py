"""Plain Stable-Baselines3 on a learned reward: the example runs as it stands."""

import runpy
import sys
from pathlib import Path

import pytest
import torch as th

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_rl.py"


def test_a_policy_is_trained_on_the_reward_of_a_run_and_scored_on_the_true_one(
    trained_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    threads = th.get_num_threads()
    monkeypatch.setattr(sys, "argv", ["own_rl.py", str(trained_run), "--steps=2048"])
    runpy.run_path(str(EXAMPLE))["main"]()
    th.set_num_threads(threads)
    said = capsys.readouterr().out.strip().splitlines()[-1]
    assert said.startswith("seals/CartPole-v0, seed 0, 2,048 steps: true return ")
    assert 0 < float(said.split("return ")[1].split(" ")[0]) <= 500
