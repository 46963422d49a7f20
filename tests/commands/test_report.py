"""`airl report`."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.cli import Airl
from support.run_directories import make_run

FILES = {"runs", "report.html", "report.csv", "report.md", "report.tex", "curves.png"}
QUICK = "n_resamples=200"


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    folder = tmp_path / "sweep, [x] ${y}='z'"
    for seed in range(3):
        make_run(folder / str(seed), seed=seed, returns=400.0 + 50 * seed)
    make_run(folder / "3", seed=3, status="interrupted")
    make_run(folder / "4", env__id="Pendulum-v1", returns=100.0)
    return folder


def test_it_shows_the_groups_and_says_where_the_files_are(airl: Airl, sweep: Path) -> None:
    outcome = airl("report", str(sweep), QUICK)
    assert outcome.code == 0, outcome.err
    assert "5 runs: 4 finished, 1 interrupted" in outcome.out
    assert "450.0 ± 50.0" in outcome.out
    assert "(one seed)" in outcome.out
    (folder,) = Path("outputs/report").iterdir()
    assert {path.name for path in folder.iterdir()} == FILES
    assert str(folder) in outcome.out
    assert len((folder / "report.csv").read_text().splitlines()) == 1 + 2


def test_a_run_that_was_really_trained(airl: Airl, trained_run: Path) -> None:
    outcome = airl("report", f"run={trained_run}", "hydra.run.dir=out", QUICK)
    assert outcome.code == 0, outcome.err
    (row,) = csv.DictReader(io.StringIO(Path("out/report.csv").read_text()))
    result = json.loads((trained_run / "result.json").read_text())
    assert row["environment"] == result["env_id"]
    assert float(row["return_mean"]) == pytest.approx(result["learner_return_mean"])
    assert float(row["score_iqm"]) == pytest.approx(result["normalized_score"])


@pytest.mark.parametrize("format_", ["csv", "md", "latex", "json"])
def test_a_format_comes_alone_and_leaves_nothing_behind(
    airl: Airl, sweep: Path, format_: str
) -> None:
    outcome = airl("report", str(sweep / "[0-2]"), f"format={format_}", QUICK)
    assert outcome.code == 2  # the folder's own name looks like a pattern
    outcome = airl("report", *(str(sweep / n) for n in "012"), f"format={format_}", QUICK)
    assert (outcome.code, outcome.err) == (0, "")
    assert not Path("outputs").exists() or not list(Path("outputs").rglob("*.html"))
    first = outcome.out.splitlines()[0]
    start = {"csv": "group,", "md": "| ", "latex": "% ", "json": "{"}
    assert first.startswith(start[format_])
    if format_ == "csv":
        (row,) = csv.DictReader(io.StringIO(outcome.out))
        assert row["return_n"] == "3"


def test_lists_and_patterns_as_in_other_commands(airl: Airl, tmp_path: Path) -> None:
    for n in range(3):
        make_run(tmp_path / "runs" / f"s{n}", seed=n)
    for words in (["run=[runs/s0,runs/s1]"], ["run='runs/s[01]'"], ["runs/s0", "runs/s1"]):
        outcome = airl("report", *words, "format=json", QUICK)
        assert outcome.code == 0, outcome.err
        assert len(json.loads(outcome.out)["runs"]) == 2


def test_one_damaged_run_does_not_spoil_the_report(airl: Airl, sweep: Path) -> None:
    (sweep / "1" / "result.json").write_text("{")
    (sweep / "2" / "metrics.csv").write_bytes(b"\xff")
    (sweep / "4" / "config.json").write_text("[]")
    outcome = airl("report", str(sweep), QUICK)
    assert outcome.code == 0, outcome.err
    assert "1 finished" in outcome.out
    assert "3 unreadable" in outcome.out
    assert "result.json is not valid JSON" in outcome.out
    assert "metrics.csv cannot be read" in outcome.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "run is not set"),
        (["nowhere"], "there is no nowhere"),
        (["run=[]"], "run=[] names no directory"),
        (["run=7"], "run=7"),
        (["empty"], "there is no run in empty"),
        (["some", "run=some"], "'some' is given beside run="),
        (["some", "format=cvs"], "format=cvs is none of"),
        (["some", "n_resamples=0"], "n_resamples must be between 100"),
        (["some", "expert_share=-1"], "expert_share must be more than 0"),
        (["some", "ignore=7"], "ignore=7"),
        (["some", "nonsense=1"], "nonsense"),
        (["some", "hydra.run.dir=/proc/airl"], "/proc/airl"),
        (["some", "hydra.run.dir=some/config.json/x"], "some/config.json"),
    ],
)
def test_mistakes_are_two_lines(airl: Airl, tmp_path: Path, words: list[str], message: str) -> None:
    (tmp_path / "empty").mkdir()
    make_run(tmp_path / "some")
    outcome = airl("report", *words)
    assert outcome.code == 2, outcome
    assert len(outcome.err.splitlines()) == 2
    assert message in outcome.err
    assert "Traceback" not in outcome.out + outcome.err
    assert not list(tmp_path.glob("outputs/**/*.*"))


def test_the_folder_may_stop_being_writable(
    airl: Airl, sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("airl_cli.files.tempfile.mkstemp", refuse)
    outcome = airl("report", str(sweep), QUICK)
    assert outcome.code == 2
    assert "Permission denied" in outcome.err
    assert len(outcome.err.splitlines()) == 2


def test_reading_runs_needs_no_torch() -> None:
    """It would take longer than all the rest."""
    code = (
        "import sys, airl_cli.commands.report, airl_cli.report.page; "
        "print({'torch', 'stable_baselines3', 'gymnasium'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "set()\n", done
