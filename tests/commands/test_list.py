"""`airl list`, and what `run=last` and `run=<name>` mean."""

import json
import os
from pathlib import Path

import pytest

from airl_cli.errors import NotFoundError
from airl_cli.report.find import chosen_run, find_runs
from support.cli import Airl
from support.run_directories import make_run

CARTPOLE = {"env___target_": "airl_cli.envs.EnvSpec"}


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Three runs of training below `outputs/`, oldest first, and a newer transfer."""
    monkeypatch.chdir(tmp_path)
    top = Path("outputs/train")
    made = [
        make_run(top / "a", name="first", tags=["paper"], typed=["reward=basic", "seed=3"], seed=3),
        make_run(
            top / "b", returns=50.0, env__id="Pendulum-v1", status="failed", typed=["env=gym"]
        ),
        make_run(top / "c", name="second", result={"normalized_score": None}),
        make_run(Path("outputs/transfer/d"), upper_bound={}, name="first"),
    ]
    for n, path in enumerate(made):
        os.utime(path / "status.json", (1_000_000 + n, 1_000_000 + n))
    return made


def test_runs_are_listed_newest_first_with_what_was_overridden(
    airl: Airl, runs: list[Path]
) -> None:
    outcome = airl("list")
    assert outcome.code == 0, outcome.err
    heading, *lines = outcome.out.splitlines()
    assert heading.split()[:3] == ["run", "state", "score"]
    assert [line.split()[0] for line in lines] == [str(path) for path in reversed(runs)]
    assert "failed" in lines[2]
    assert "seed" not in lines[2]  # it was not typed
    assert lines[3].split()[1:4] == ["finished", "0.800", "400.0"]
    assert "reward=basic seed=3" in lines[3] and "first #paper" in lines[3]
    assert lines[1].split()[1:4] == ["finished", "–", "400.0"]  # no score, but a return
    assert sorted(Path().iterdir()) == [Path("outputs")]  # nothing is written


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        (["env=pendulum"], "b"),
        (["env=gym", "env.id=Pendulum-v1"], "b"),
        (["state=failed"], "b"),
        (["tag=paper"], "a"),
        (["name=second"], "c"),
        (["name=first"], "da"),
        (["most=1"], "d"),
        (["outputs/transfer"], "d"),
        (["tag=none"], ""),
    ],
)
def test_filters(airl: Airl, runs: list[Path], filters: list[str], wanted: str) -> None:
    outcome = airl("list", "format=json", *filters)
    assert outcome.code == 0, outcome.err
    assert "".join(Path(run["path"]).name for run in json.loads(outcome.out)) == wanted


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["state=finishd"], "Did you mean 'finished'?"),
        (["format=xml"], "format=xml"),
        (["most=-1"], "most must be at least 0"),
        (["nowhere"], "nowhere"),
    ],
)
def test_mistakes_take_two_lines(
    airl: Airl, runs: list[Path], arguments: list[str], message: str
) -> None:
    outcome = airl("list", *arguments)
    assert outcome.code == 2
    assert message in outcome.err
    assert len(outcome.err.splitlines()) == 2


def test_last_is_the_newest_training_and_a_name_the_newest_with_it(runs: list[Path]) -> None:
    assert chosen_run("last") == runs[2]
    assert chosen_run("first") == runs[3]
    assert chosen_run("second") == runs[2]
    assert chosen_run("outputs/train/a") == runs[0]
    assert chosen_run("no-such-run") == Path("no-such-run")
    Path("first").mkdir()
    assert chosen_run("first") == Path("first")  # what is there goes first
    assert find_runs(["last"]).runs == [runs[2]]
    assert find_runs(["second"]).runs == [runs[2]]


def test_without_a_run_there_is_no_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFoundError, match="last one"):
        chosen_run("last")


@pytest.mark.parametrize("command", ["evaluate", "reward", "transfer", "train"])
def test_commands_look_the_run_up(airl: Airl, runs: list[Path], command: str) -> None:
    """None of them can be loaded, but each is looked for where its name leads."""
    key = "resume" if command == "train" else "run"
    outcome = airl(command, f"{key}=second", "verbose=false")
    assert outcome.code == 2
    assert "outputs/train/c" in outcome.err, outcome.err
