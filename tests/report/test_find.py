"""Run directories below what somebody named."""

import errno
import json
import os
from pathlib import Path

import pytest

from airl_cli.errors import AirlError, InvalidValueError, NotFoundError
from airl_cli.report.find import find_runs
from support.run_directories import make_run


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sweep of eleven jobs, a single run, and what is no run."""
    for n in range(11):
        make_run(tmp_path / "outputs/train/multirun/x" / str(n), seed=n)
    make_run(tmp_path / "outputs/train/single [1]")
    evaluation = tmp_path / "outputs/evaluate/y"
    evaluation.mkdir(parents=True)
    (evaluation / "result.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "outputs"


def names(*sources: str) -> list[str]:
    return [path.name for path in find_runs(sources).runs]


def test_runs_are_found_at_any_depth_and_in_the_order_of_their_jobs(outputs: Path) -> None:
    assert names("outputs") == [*map(str, range(11)), "single [1]"]
    assert names(str(outputs / "train/multirun/x/3")) == ["3"]


@pytest.mark.parametrize(
    ("sources", "n"),
    [
        (["outputs/*/multirun"], 11),
        (["outputs/train/multirun/x/[0-4]"], 5),
        (["outputs/**/multirun/x/1*"], 2),
        (["outputs/train/single [1]"], 1),  # it is there: no pattern
        (["outputs/train/multirun", "outputs/../outputs/train"], 12),  # each once
    ],
)
def test_patterns_lists_and_overlaps(outputs: Path, sources: list[str], n: int) -> None:
    assert len(names(*sources)) == n


def test_links_are_followed_only_where_they_were_named(outputs: Path) -> None:
    (outputs / "loop").symlink_to(outputs)
    assert len(names("outputs")) == 12
    assert len(names("outputs/loop")) == 12


def test_jobs_that_failed_before_they_began_are_known_from_their_sweep(outputs: Path) -> None:
    sweep = outputs / "train/multirun/x"
    lines = [
        {"job": 3, "problem": "it ran later"},
        {"job": 12, "problem": "seed=-1 is out of range."},
        {"job": "../../../../etc", "problem": "elsewhere"},
        {"job": ["7"]},
    ]
    text = "\n".join(map(json.dumps, lines)) + "\n[1]\n{torn"
    (sweep / "failures.jsonl").write_text(text)
    found = find_runs(["outputs"])
    failed = {path.name: reason for path, reason in found.failed_jobs.items()}
    assert failed.pop("12") == "seed=-1 is out of range."
    assert set(failed) <= {"['7']"}
    assert find_runs([str(sweep / "4")]).failed_jobs == {}


def test_a_sweep_in_which_every_job_failed_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "failures.jsonl").write_text('{"job": 0, "problem": "no"}\n')
    found = find_runs([str(tmp_path)])
    assert (found.runs, list(found.failed_jobs.values())) == ([], ["no"])


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("nowhere", NotFoundError, "there is no nowhere"),
        ("outputs/*/nothing", NotFoundError, "there is no outputs/"),
        ("outputs/evaluate", NotFoundError, "there is no run in outputs/evaluate"),
        ("outputs/train/multirun/x/0/config.json", InvalidValueError, "is a file"),
    ],
)
def test_what_leads_to_no_run_is_named(
    outputs: Path, source: str, kind: type[AirlError], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        find_runs(["outputs", source])
    assert isinstance(caught.value, AirlError)
    assert caught.value.remedy


def test_a_directory_that_may_not_be_read_is_named(
    outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> None:  # as for anybody but root
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InvalidValueError, match="cannot be read: Permission denied"):
        find_runs([str(outputs)])
