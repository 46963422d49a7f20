"""How fast an environment is stepped, one way and another."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from statistics import median
from typing import NamedTuple

import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from airl_cli.envs.independence import check_independent
from airl_cli.envs.make import Vectorization
from airl_cli.envs.masks import masks_of, random_actions
from airl_cli.envs.spec import EnvSpec
from airl_cli.envs.threads import usable_cores
from airl_cli.errors import AirlError

_GAIN = 1.2  # times the speed for which threads are advised
_PREPARED = 16  # batches of actions, drawn before the clock runs


class Pace(NamedTuple):
    """Steps of single copies per second, a value for each turn.

    Attributes:
        wall: By the clock.
        cpu: By the time of the process, all threads together.
    """

    wall: list[float]
    cpu: list[float]


def ways_of_stepping(env: EnvSpec) -> Iterator[tuple[str, str, str]]:
    """What threads and a registered vectorised environment would give, in a second or two.

    Args:
        env: The environment, with as many copies as are to be stepped.

    Yields:
        A way, what was found, and advice; nothing of ways that are not possible here.
    """
    ways: list[Vectorization] = ["dummy"]
    if env.n_envs > 1 and usable_cores() > 1:
        try:
            check_independent(env)
            ways.append("threads")
        except AirlError:
            yield "threads", "give other numbers: copies share something", ""
    with suppress(AirlError):
        dataclasses.replace(env, vectorization="native").make(0, n_envs=1).close()
        ways.append("native")
    if len(ways) == 1:
        return
    pace = {way: median(pace.wall) for way, pace in by_turns(env, ways).items()}
    one = f"{env.n_envs} copies, {pace['dummy']:,.0f} one after the other"
    if "threads" in pace:
        found = f"{pace['threads']:,.0f} steps/s of {one}; the same numbers"
        yield "threads", found, _advice(pace["threads"] / pace["dummy"], env.vectorization)
    if "native" in pace:
        yield "native", f"{pace['native']:,.0f} steps/s of {one}; other numbers", ""


def _advice(gain: float, chosen: Vectorization) -> str:
    if gain > _GAIN and chosen == "dummy":
        return f"env.vectorization=threads: the same numbers, {gain:.1f} times as fast."
    if gain < 1 and chosen == "threads":
        return (
            "env.vectorization=dummy is faster: the steps do not leave the interpreter, or no core "
            "is free."
        )
    return ""


def by_turns(
    env: EnvSpec, ways: Sequence[Vectorization], *, turns: int = 5, seconds: float = 0.1
) -> dict[Vectorization, Pace]:
    """Measures ways of stepping an environment by turns, so that all see the same machine.

    Args:
        env: With as many copies as are to be stepped.
        ways: Values of `env.vectorization` that are possible for it.
        turns: Of each; one more warms up.
        seconds: Of each turn, at least.

    Returns:
        A pace for each way.

    Raises:
        AirlError: As `EnvSpec.make`.
    """
    paces: dict[Vectorization, Pace] = {way: Pace([], []) for way in ways}
    with ExitStack() as stack:
        steppers = {}
        for way in ways:
            venv = dataclasses.replace(env, vectorization=way).make(0)
            stack.enter_context(closing(venv))
            steppers[way] = _stepper(venv)
        for turn in range(turns + 1):
            for way, step in steppers.items():
                wall, cpu = _turn(step, env.n_envs, seconds)
                if turn:
                    paces[way].wall.append(wall)
                    paces[way].cpu.append(cpu)
    return paces


def _stepper(venv: VecEnv) -> Callable[[], object]:
    """Resets; a step of random actions."""
    venv.reset()
    act = random_actions(venv)
    if masks_of(venv) is not None:  # which actions are valid depends on the state
        return lambda: venv.step(act())
    prepared: itertools.cycle[np.ndarray] = itertools.cycle([act() for _ in range(_PREPARED)])
    return lambda: venv.step(next(prepared))


def _turn(step: Callable[[], object], n_envs: int, seconds: float) -> tuple[float, float]:
    steps, wall, cpu = 0, time.perf_counter(), time.process_time()
    while True:
        for _ in range(10):
            step()
        steps += 10 * n_envs
        spent = time.perf_counter() - wall
        if spent >= seconds:
            return steps / spent, steps / max(1e-9, time.process_time() - cpu)
