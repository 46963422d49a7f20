"""Signals as exceptions, now or when it suits."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from airl_cli.runs.interrupts import InterruptGuard, Terminated, exit_status

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


def test_other_exceptions_have_no_status() -> None:
    assert exit_status(ValueError()) is None
