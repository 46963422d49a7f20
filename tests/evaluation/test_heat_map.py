"""Map of a reward, and the table of its distances."""

import math
from pathlib import Path
from typing import Any

import matplotlib.figure
import numpy as np
import pytest
from rich.console import Console

from airl_cli.evaluation.plots import heat_map
from airl_cli.evaluation.tables import comparison_table
from airl_cli.rewards.compare import Comparison

X, Y = np.linspace(0, 1, 4), np.linspace(0, 2, 3)


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every figure that was saved."""
    found: list[Any] = []
    save = matplotlib.figure.Figure.savefig

    def keep(figure: Any, *args: Any, **kwargs: Any) -> None:
        found.append(figure)
        save(figure, *args, **kwargs)

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", keep)
    return found


def draw(path: Path) -> None:
    learned = np.arange(12.0).reshape(3, 4)
    learned[0, 0] = np.nan
    paths = {name: np.array([[0, 0], [1, i]]) for i, name in enumerate(("expert", "random"))}
    heat_map({"learned": learned, "true": -learned}, X, Y, ["x (m)", "y (m)"], paths, path)


def test_every_reward_has_a_panel_with_named_axes(tmp_path: Path, figures: list[Any]) -> None:
    draw(tmp_path / "plots" / "map.png")
    assert (tmp_path / "plots" / "map.png").read_bytes().startswith(b"\x89PNG")
    learned, true, *colour_bars = figures[0].axes
    assert [axes.get_title() for axes in (learned, true)] == ["learned", "true"]
    assert [axes.get_xlabel() for axes in (learned, true)] == ["x (m)", "x (m)"]
    assert learned.get_ylabel() == "y (m)"
    assert [bar.get_ylabel() for bar in colour_bars] == ["reward per step"] * 2


def test_it_can_be_read_without_colour(tmp_path: Path, figures: list[Any]) -> None:
    draw(tmp_path / "map.png")
    axes = figures[0].axes[0]
    (mesh,) = axes.collections
    red, green, blue, _ = mesh.cmap(np.linspace(0, 1, 16)).T
    assert (red == green).all()
    assert (green == blue).all()
    assert (np.diff(red) > 0).all()  # lighter is more
    expert, random = axes.get_lines()
    assert expert.get_linestyle() != random.get_linestyle()
    assert expert.get_marker() != random.get_marker()
    assert expert.get_path_effects()  # an edge: black strokes cross black places
    (legend,) = figures[0].legends
    assert [text.get_text() for text in legend.get_texts()] == ["expert", "random"]


def test_what_cannot_be_reached_is_hatched(tmp_path: Path, figures: list[Any]) -> None:
    draw(tmp_path / "map.png")
    axes = figures[0].axes[0]
    assert axes.patch.get_hatch()
    assert axes.collections[0].get_array().mask.ravel().tolist() == [True] + [False] * 11


def test_the_table_has_a_dash_for_what_is_unknown() -> None:
    console = Console(width=120, record=True)
    rows = {"reward_test": Comparison(0.91234, 0.5, 0.5), "reward_train": Comparison(math.nan)}
    console.print(comparison_table(rows, "some transitions"))
    text = console.export_text()
    assert "some transitions" in text
    test, train = (line.split("│")[2:5] for line in text.splitlines() if "reward_t" in line)
    assert [cell.strip() for cell in test] == ["0.912", "0.500", "0.500"]
    assert [cell.strip() for cell in train] == ["-", "-", "-"]
