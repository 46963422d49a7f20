"""`docs/own-reward-net.md` and `examples/own_reward_net`: its commands, run for real."""

import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import airl_cli
from support.cli import Airl
from support.docs import DOCS, airl_commands, blocks

PAGE = DOCS / "own-reward-net.md"
TRAIN, EVALUATE, REWARD = airl_commands(PAGE)
TINY = [
    *("expert=random", "expert.n_episodes=2", "env.n_envs=2", "evaluation.n_episodes=2"),
    *("recipe=none", "generator.n_steps=64", "generator.n_epochs=1", "generator.batch_size=64"),
    *("trainer.total_timesteps=256", "trainer.demo_batch_size=64", "device=cpu"),
]


@pytest.fixture
def module(examples: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(examples / "own_reward_net"))
    monkeypatch.delitem(sys.modules, "quadratic_reward", raising=False)
    return examples / "own_reward_net"


def test_the_page_runs(airl: Airl, module: Path) -> None:
    trained = airl(*TRAIN, *TINY)
    assert trained.code == 0, trained.err
    evaluated = airl(*EVALUATE)
    assert evaluated.code == 0, evaluated.err
    refused = airl(*[argument for argument in REWARD if "trust" not in argument])
    assert refused.code == 2
    assert "quadratic_reward.ShapedQuadraticRewardNet" in refused.err
    assert "trust=[package]" in refused.err

    _, loading = blocks(PAGE, "python")
    names: dict[str, object] = {"airl_cli": airl_cli}
    exec(loading, names)
    reward = names["reward"]
    assert type(reward).__name__ == "QuadraticRewardNet"  # g, without the shaping
    center = reward.center.detach().numpy()[None]  # type: ignore[attr-defined]
    at_center, beside = (
        reward.predict(state, np.zeros(1, int), state, np.zeros(1, bool))  # type: ignore[attr-defined]
        for state in (center, center + 1)
    )
    assert at_center == 0 and beside < 0


def test_the_config_shown_is_that_of_the_example(module: Path) -> None:
    (shown,) = blocks(PAGE, "yaml")
    assert yaml.safe_load(shown) == yaml.safe_load(
        (module / "conf/reward/quadratic.yaml").read_text()
    )


def test_the_class_shown_is_that_of_the_example(module: Path) -> None:
    """Line by line, but for the type hints, which the page leaves out."""
    code = (module / "quadratic_reward.py").read_text()
    shown, _ = blocks(PAGE, "python")
    for line in shown.splitlines():
        if line.strip() and "def " not in line:
            assert line.strip() in code
