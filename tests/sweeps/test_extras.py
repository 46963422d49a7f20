"""What other packages bring, and what is said when they are not there."""

from __future__ import annotations

import os

import pytest

from airl_cli.errors import AirlError, InvalidValueError, NotFoundError
from airl_cli.sweeps.extras import LauncherFailedError, launching, load


def test_what_an_extra_brings_is_found() -> None:
    assert load("x", "collections.OrderedDict").__name__ == "OrderedDict"


def test_a_missing_extra_is_named_with_the_command_that_installs_it() -> None:
    with pytest.raises(NotFoundError) as caught:
        load("parallel", "no_such_package.module.Class")
    assert "extra 'parallel'" in caught.value.problem
    assert "no_such_package" in caught.value.problem
    assert caught.value.remedy == 'Install it: pip install "airl-cli[parallel]"'
    assert caught.value.exit_code == 2


def test_processes_inherit_the_number_of_threads_that_nobody_chose(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    with launching(3, "sweep"):
        assert os.environ["OMP_NUM_THREADS"] == "7"
        assert os.environ["OPENBLAS_NUM_THREADS"] == "3"
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "OPENBLAS_NUM_THREADS" not in os.environ


def test_what_ends_a_launcher_is_said_in_one_line() -> None:
    with pytest.raises(LauncherFailedError) as caught, launching(1, "the/sweep"):
        raise OSError("no space left\nand a long story")
    assert caught.value.problem == "the launcher failed: OSError: no space left"
    assert "the/sweep" in caught.value.remedy
    assert caught.value.exit_code == 1


def test_a_mistake_stays_what_it_is() -> None:
    with pytest.raises(AirlError) as caught, launching(1, "sweep"):
        raise InvalidValueError("x=1 is wrong")
    assert type(caught.value) is InvalidValueError
