"""Pictures of a run."""

import math
from pathlib import Path
from typing import Any

import matplotlib.figure
import numpy as np
import pytest

from airl_cli.data.types import Trajectory
from airl_cli.evaluation import Evaluation, plots

PNG = b"\x89PNG"


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The axes of every picture, as they were when it was saved."""
    found: list[Any] = []
    save = plots.save

    def keep(figure: matplotlib.figure.Figure, path: Any) -> None:
        found.extend(figure.axes)
        save(figure, path)

    monkeypatch.setattr(plots, "save", keep)
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
    assert drawn[0].get_ylabel() == "true return per episode (sum of rewards)"


def test_unknown_levels_are_not_drawn(tmp_path: Path, drawn: list[Any]) -> None:
    plots.learning_curve([], math.nan, math.nan, tmp_path / "curve.png")
    assert [line.get_label() for line in drawn[0].get_lines()] == ["learner"]


def test_the_discriminator_is_drawn_against_chance(tmp_path: Path, drawn: list[Any]) -> None:
    names = ("disc_acc", "disc_acc_expert", "disc_acc_gen", "disc_loss")
    rows = [{"env_steps": 100.0 * i, **dict.fromkeys(names, 0.5 + 0.1 * i)} for i in range(3)]
    plots.discriminator_curves(rows, tmp_path / "disc.png")
    assert (tmp_path / "disc.png").read_bytes().startswith(PNG)
    accuracy, loss = drawn
    assert len({line.get_linestyle() for line in accuracy.get_lines()}) == 3
    assert accuracy.get_lines()[0].get_ydata().tolist() == pytest.approx([0.5, 0.6, 0.7])
    assert loss.get_lines()[0].get_ydata().tolist() == pytest.approx([0.5, 0.6, 0.7])
    assert set(loss.get_lines()[1].get_ydata()) == {math.log(2)}
    assert loss.get_ylabel() == "loss (nats per sample)"
    assert loss.get_xlabel() == "environment steps"


def test_returns_have_a_panel_for_each_policy_on_one_axis(tmp_path: Path, drawn: list[Any]) -> None:
    returns = {"learner": np.array([1.0, 2, 2, 9]), "expert": np.full(3, 9.0)}
    plots.return_histogram({**returns, "unknown": np.array([])}, tmp_path / "returns.png")
    assert (tmp_path / "returns.png").read_bytes().startswith(PNG)
    assert [axes.get_title(loc="left") for axes in drawn] == [
        "learner: mean 3.50, 4 episodes",
        "expert: mean 9.0, 3 episodes",
    ]
    for axes, values in zip(drawn, returns.values(), strict=True):
        assert sum(bar.get_height() for bar in axes.patches) == len(values)
        assert axes.get_lines()[0].get_xdata()[0] == values.mean()
    learner, expert = drawn
    assert learner.get_xlim() == expert.get_xlim()
    assert learner.patches[0].get_hatch() != expert.patches[0].get_hatch()


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


def test_plots_say_what_they_show_and_legends_cover_nothing(
    tmp_path: Path, drawn: list[Any]
) -> None:
    rows = [
        {"env_steps": 100.0 * i, "true_return_mean": 1.0 * i, "disc_loss": 0.5} for i in range(3)
    ]
    evaluation = Evaluation("x-v0", 7, np.array([4.0, 8.0]), np.array([10.0]), np.array([2.0]))
    files = plots.draw_training(
        tmp_path,
        rows,
        evaluation,
        NextTimesTen(),  # type: ignore[arg-type]
        expert=episode(4, False),
        random=episode(2, True),
    )
    names = ["learning_curve.png", "returns.png", "discriminator.png", "reward.png"]
    assert [path.name for path in files] == names
    assert {axes.figure.get_suptitle() for axes in drawn} == {"x-v0, seed 7, score 0.50"}
    for axes in drawn:
        legend = axes.get_legend()
        if legend is not None:
            axes.figure.canvas.draw()
            box = legend.get_window_extent()
            assert box.y0 >= axes.get_window_extent().y1
            assert box.x1 <= axes.figure.bbox.x1


def test_without_a_score_the_title_has_none(tmp_path: Path, drawn: list[Any]) -> None:
    evaluation = Evaluation("x-v0", 7, np.array([4.0]), np.array([1.0]), np.array([2.0]))
    plots.draw_training(tmp_path, [], evaluation, None, expert=None, random=None)  # type: ignore[arg-type]
    assert {axes.figure.get_suptitle() for axes in drawn} == {"x-v0, seed 7"}
