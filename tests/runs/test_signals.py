"""Signals as exceptions, now or when it suits."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from airl_cli.files import take_lock
from airl_cli.runs import signals
from airl_cli.runs.signals import InterruptGuard, Requeued, Terminated, exit_status

SIGNALS = [(signal.SIGINT, KeyboardInterrupt, 130), (signal.SIGTERM, Terminated, 143)]


@pytest.fixture
def guard() -> Iterator[InterruptGuard]:
    guard = InterruptGuard()
    guard.install()
    yield guard
    guard.remove()


def send(number: int) -> None:
    os.kill(os.getpid(), number)
    for _ in range(1000):  # the handler runs between two bytecodes
        pass


@pytest.mark.parametrize(("number", "kind", "code"), SIGNALS)
def test_a_signal_raises_at_once(guard, number: int, kind: type, code: int) -> None:
    with pytest.raises(kind) as caught:
        send(number)
    assert exit_status(caught.value) == code


@pytest.mark.parametrize(("number", "kind", "code"), SIGNALS)
def test_a_deferred_signal_waits_and_a_second_one_does_not(
    guard, number: int, kind: type, code: int
) -> None:
    noticed: list[int] = []
    with guard.deferred(lambda: noticed.append(1)):
        guard.give_way()
        assert not guard.pending
        send(number)
        assert guard.pending
        assert noticed == [1]
        with pytest.raises(kind):
            guard.give_way()
        with pytest.raises(kind):
            send(number)
    assert noticed == [1]


def test_handlers_are_given_back() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    guard = InterruptGuard()
    guard.install()
    assert signal.getsignal(signal.SIGINT) != before[0]
    guard.remove()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """Signals that somebody else listens to: at USR2 they end the process, at TERM they do not."""
    heard: list[int] = []

    def listen(number: int, frame: object) -> None:
        heard.append(number)
        if number == signal.SIGUSR2:
            raise SystemExit(144)

    numbers = (signal.SIGTERM, signal.SIGUSR2)
    before = {number: signal.signal(number, listen) for number in numbers}
    yield heard
    for number, handler in before.items():
        signal.signal(number, handler)


def test_whoever_listened_before_decides_but_later(heard: list[int]) -> None:
    guard = InterruptGuard()
    guard.install()
    try:
        with guard.deferred(lambda: None):
            send(signal.SIGTERM)
            assert guard.pending
            send(signal.SIGUSR2)  # Slurm sends both
            assert heard == []
            with pytest.raises(Requeued) as caught:
                guard.give_way()
            assert heard == [signal.SIGUSR2]
            assert exit_status(caught.value) == 144
    finally:
        guard.remove()


def test_a_signal_that_a_listener_lets_pass_ends_nothing(heard: list[int]) -> None:
    guard = InterruptGuard()
    guard.install()
    try:
        with guard.deferred(lambda: None):
            send(signal.SIGTERM)
            guard.give_way()
            assert heard == [signal.SIGTERM]
            assert not guard.pending
    finally:
        guard.remove()


def test_other_exceptions_have_no_status() -> None:
    assert exit_status(ValueError()) is None


# -- jobs and their launcher -------------------------------------------------------------------


@pytest.fixture
def launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileLock]:
    """The lock of a process that launches jobs; this one is a job."""
    lock = take_lock(tmp_path / ".launcher.lock")
    assert lock is not None
    monkeypatch.setenv(signals.LAUNCHER, str(tmp_path / ".launcher.lock"))
    monkeypatch.setattr(signals, "_SECONDS_BETWEEN_LOOKS", 0.01)
    yield lock
    lock.release()


def test_a_job_goes_on_while_its_launcher_lives(launcher: FileLock) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with signals.wanted_by_launcher():
        threading.Event().wait(0.1)
        assert signal.getsignal(signal.SIGTERM) != before  # watched all the while
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_job_ends_when_its_launcher_is_gone(launcher: FileLock) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated), signals.wanted_by_launcher():
        launcher.release()
        threading.Event().wait(10)
    assert signal.getsignal(signal.SIGTERM) == before
    with pytest.raises(Terminated), signals.wanted_by_launcher():
        raise AssertionError("a job began without its launcher")


def test_a_run_of_such_a_job_finishes_its_round(launcher: FileLock) -> None:
    guard, rounds = InterruptGuard(), []
    with pytest.raises(Terminated), signals.wanted_by_launcher():
        guard.install()
        try:
            with guard.deferred(lambda: rounds.append("notice")):
                launcher.release()
                while not guard.pending:
                    threading.Event().wait(0.01)
                rounds.append("finished")
                guard.give_way()
        finally:
            guard.remove()
    assert rounds == ["notice", "finished"]
