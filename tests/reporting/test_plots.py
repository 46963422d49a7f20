"""Pictures of a run."""

import math
from pathlib import Path
from typing import Any

import matplotlib.axes
import numpy as np
import pytest

from airl_cli.data.types import Trajectory
from airl_cli.reporting import plots

PNG = b"\x89PNG"


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The axes of every picture, as they were when it was saved."""
    found: list[Any] = []
    finish = plots._finish

    def keep(figure: Any, axes: matplotlib.axes.Axes, path: Any) -> None:
        found.append(axes)
        finish(figure, axes, path)

    monkeypatch.setattr(plots, "_finish", keep)
    return found


def test_the_learning_curve_leaves_out_rounds_without_episodes(
    tmp_path: Path, drawn: list[Any]
) -> None:
    returns = [math.nan, 10.0, math.nan, 30.0]
    rows = [{"env_steps": 100.0 * i, "true_return_mean": r} for i, r in enumerate(returns)]
    plots.learning_curve(rows, 50.0, 5.0, tmp_path / "plots" / "curve.png")
    assert (tmp_path / "plots" / "curve.png").read_bytes().startswith(PNG)
    lines = {line.get_label(): line for line in drawn[0].get_lines()}
    assert lines["learner"].get_xdata().tolist() == [100, 300]
    assert lines["learner"].get_ydata().tolist() == [10, 30]
    assert set(lines["expert"].get_ydata()) == {50.0}
    assert len({line.get_linestyle() for line in lines.values()}) == 3
    assert drawn[0].get_xlabel() == "environment steps"
    assert drawn[0].get_ylabel() == "true return per episode"


def test_unknown_levels_are_not_drawn(tmp_path: Path, drawn: list[Any]) -> None:
    plots.learning_curve([], math.nan, math.nan, tmp_path / "curve.png")
    assert [line.get_label() for line in drawn[0].get_lines()] == ["learner"]


class NextTimesTen:
    """A reward that shows which arrays it got."""

    def predict(self, state: Any, action: Any, next_state: Any, done: Any) -> np.ndarray:
        assert len(state) == len(action) == len(next_state) == len(done)
        return next_state[:, 0] * 10 + action + 1000 * done


def episode(length: int, terminal: bool) -> Trajectory:
    obs = np.arange(length + 1, dtype=np.float32)[:, None]
    return Trajectory(obs, np.ones(length, int), None, terminal)


def test_rewards_along_an_episode_pair_each_step_with_what_follows() -> None:
    net = NextTimesTen()
    assert plots.rewards_of(net, episode(3, False)).tolist() == [11, 21, 31]
    assert plots.rewards_of(net, episode(3, True)).tolist() == [11, 21, 1031]


def test_expert_and_random_episodes_are_told_apart_without_colour(
    tmp_path: Path, drawn: list[Any]
) -> None:
    path = tmp_path / "reward.png"
    plots.reward_along_episodes(NextTimesTen(), episode(4, False), episode(2, True), path)  # type: ignore[arg-type]
    assert path.read_bytes().startswith(PNG)
    expert, random = drawn[0].get_lines()
    assert (len(expert.get_ydata()), len(random.get_ydata())) == (4, 2)
    assert expert.get_linestyle() != random.get_linestyle()
    assert drawn[0].get_legend() is not None
    assert drawn[0].get_ylabel() == "learned reward per step"
