"""Do copies of an environment leave one another alone? Threads give other numbers if not."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import numpy as np

from airl_cli.envs.masks import random_actions
from airl_cli.envs.spec import EnvSpec
from airl_cli.envs.threads import Share, ThreadedVecEnv
from airl_cli.errors import AirlError, InvalidValueError
from airl_cli.seeding import isolated_rng

_COPIES = 4  # that are compared
_STEPS = 48
_RESTART_EVERY = 16  # steps: starting an episode may touch what is shared, too
_HASTE = 1e-6  # seconds after which threads that hold the interpreter are interrupted


def check_independent(env: EnvSpec) -> None:
    """Refuses an environment whose copies give other numbers when threads step them.

    The same seeds and actions for fresh copies: one after the other, in the opposite order, and
    each in a thread of its own, interrupted as often as possible. Only what shows within some
    steps is found. No random stream of the caller moves.

    Raises:
        InvalidValueError: Observations, rewards or ends differ.
    """
    n = min(env.n_envs, _COPIES)
    if n < 2:
        return
    expected = _steps(env, [range(n)])
    compared: dict[str, Callable[[], list[Any]]] = {
        "in the opposite order": lambda: _steps(env, [range(n)[::-1]]),
        "in threads": lambda: _hasty_steps(env, [[i] for i in range(n)]),
    }
    for how, steps in compared.items():
        try:
            same = steps() == expected
        except AirlError as error:
            raise _refused(env.id, f"raise {how}: {error.problem}") from error
        if not same:
            raise _refused(env.id, f"give other numbers {how} than one after the other.")


def _refused(name: str, what: str) -> InvalidValueError:
    return InvalidValueError(
        f"env.vectorization=threads: copies of {name}, stepped with the same seeds and actions, "
        f"{what}",
        "They share something, or draw from a generator that is not self.np_random: mend that, or "
        "use env.vectorization=dummy.",
    )


def _hasty_steps(env: EnvSpec, shares: Sequence[Share]) -> list[Any]:
    with _switch_interval(_HASTE):
        return _steps(env, shares)


@contextmanager
def _switch_interval(seconds: float) -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def _steps(env: EnvSpec, shares: Sequence[Share]) -> list[Any]:
    """What steps of fresh copies give, as bytes: divided among threads as `shares` says."""
    threaded = dataclasses.replace(env, vectorization="threads")
    with isolated_rng(0), closing(threaded.make(0, n_envs=sum(map(len, shares)))) as venv:
        assert isinstance(venv, ThreadedVecEnv)
        venv.share_out(shares)
        act = random_actions(venv)
        seen: list[Any] = []
        for step in range(_STEPS):
            if step % _RESTART_EVERY == 0:
                seen.append(np.asarray(venv.reset()).tobytes())
            obs, rewards, ends, infos = venv.step(act())
            last = [infos[i]["terminal_observation"] for i in np.flatnonzero(ends)]
            seen.append([np.asarray(part).tobytes() for part in (obs, rewards, ends, *last)])
        return seen
