"""Where and from which commit a run was made."""

import subprocess
from pathlib import Path

import pytest

from airl_cli.runs.machine import describe_machine, git_commit
from airl_cli.serialization import to_jsonable


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    command = ["git", *identity, *arguments]
    return subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "file").write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "x")
    return tmp_path


def test_the_commit_is_named_and_changes_make_it_dirty(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    assert git_commit(repository / "package") == commit
    (repository / "package" / "file").write_text("2")
    assert git_commit(repository / "package") == f"{commit}-dirty"


def test_a_package_that_merely_lies_in_a_repository_has_no_commit(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (repository / "site-packages").mkdir()
    assert git_commit(repository / "site-packages") is None
    assert git_commit(tmp_path_factory.mktemp("elsewhere")) is None


def test_the_machine_can_be_written_as_json() -> None:
    facts = to_jsonable(describe_machine())
    assert facts["cpu_count"] >= 1
    assert {"torch", "numpy", "airl_cli"} <= set(facts["versions"])
