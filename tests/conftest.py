"""What the tests of every part share."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from airl_cli import cli
from support.cli import Airl, Outcome

os.environ["HF_HUB_OFFLINE"] = "1"  # before `huggingface_hub` is imported: tests need no network


@pytest.fixture(autouse=True, scope="session")
def _one_torch_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _state_of_no_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session")
def expert_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests and all xdist workers: the smoke expert is trained once."""
    base = tmp_path_factory.getbasetemp()
    in_worker = base.name.startswith("popen")
    return (base.parent if in_worker else base) / "experts"


@contextmanager
def _root_logger_restored() -> Iterator[None]:
    """Hydra configures the root logger per job; the next test gets it back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        for handler in root.handlers:
            if handler not in handlers:
                handler.close()
        root.handlers[:], root.level = handlers, level


@pytest.fixture
def root_logger() -> Iterator[None]:
    with _root_logger_restored():
        yield


def _smoke(expert_cache: Path) -> list[str]:
    cache = f"expert.cache_dir={expert_cache}"
    return ["train", "experiment=smoke", "evaluation.n_episodes=8", cache]


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory, expert_cache: Path) -> Path:
    """A finished run of `airl train experiment=smoke`; read it, but copy it to change it."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    with _root_logger_restored():
        assert cli.main([*_smoke(expert_cache), f"hydra.run.dir={folder}"]) == 0
    return folder


@pytest.fixture(scope="session")
def maze_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learned little, in an environment that knows its reward and its states."""
    folder = tmp_path_factory.mktemp("maze") / "run"
    options = ["env=point_maze", "expert=random", "reward=state_only", "evaluation.n_episodes=3"]
    with _root_logger_restored():
        assert cli.main(["train", "experiment=smoke", *options, f"hydra.run.dir={folder}"]) == 0
    return folder


@pytest.fixture
def airl(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    root_logger: None,
) -> Airl:
    """Runs `airl ...` in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    monkeypatch.setenv("COLUMNS", "120")

    def run(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = cli.main(arguments)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def smoke(airl: Airl, expert_cache: Path) -> Airl:
    """Runs `airl train experiment=smoke ...` with the shared expert."""

    def run(*arguments: str) -> Outcome:
        return airl(*_smoke(expert_cache), *arguments)

    return run
