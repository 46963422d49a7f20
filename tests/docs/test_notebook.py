"""The notebook runs from top to bottom, and its outputs are what its cells print."""

import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
import torch as th

NOTEBOOK = Path(__file__).parents[2] / "examples" / "from_environment_to_reward.ipynb"
NUMBER = re.compile(r"-?\d[\d.,]*")


def code_cells() -> list[dict[str, Any]]:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def shown(cell: dict[str, Any]) -> str:
    return "".join(text for output in cell["outputs"] for text in output["text"])


@pytest.fixture
def threads():
    before = th.get_num_threads()
    yield
    th.set_num_threads(before)
    gym.registry.pop("Docking-v0", None)


@pytest.mark.usefixtures("threads")
def test_every_cell_runs_and_prints_what_the_notebook_shows(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in code_cells():
        few = re.sub(r"\((60|100)_000\)", "(4_096)", "".join(cell["source"]))
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(few, "cell", "exec"), names)
        assert NUMBER.sub("#", printed.getvalue()) == NUMBER.sub("#", shown(cell))


def test_the_outputs_say_what_the_text_says() -> None:
    text = "".join(map(shown, code_cells()))
    random, expert = (float(v) for v in re.search(r"random (\S+), expert (\S+)", text).groups())
    learner = float(re.search(r"learner (\S+)", text)[1])
    assert (learner - random) / (expert - random) > 0.95
    assert abs(float(re.search(r"largest at x = (\S+)", text)[1])) <= 0.5
    new, old = (float(re.search(rf"{n} policy: (\S+)", text)[1]) for n in ("new", "old"))
    assert new > old
