"""Taking turns: a round of AIRL, then as many steps of each reference. For both environments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.common.clock import Stopwatch
from benchmarks.common.phases import Phases


class Turns:
    """A callback after each round of AIRL that trains the references while AIRL's clock stands.

    What slows the machine down for a while then slows all of them down.

    Args:
        references: Algorithms on the environment's own reward, by name.
        round_size: Environment steps.
        clock: Makes stopwatches.
        phases: Of AIRL's rounds.
    """

    def __init__(
        self,
        references: Mapping[str, Any],
        round_size: int,
        clock: Callable[[], Stopwatch],
        phases: Phases,
    ) -> None:
        self._references = references
        self._round_size = round_size
        self._make = clock
        self._phases = phases
        self._rounds = 0
        self._airl = clock()
        self._clocks = {name: clock() for name in references}

    def after_round(self, number: int) -> None:
        """Round 0 warms up; counting starts behind it."""
        if number > 0:
            self._airl.stop()
            self._rounds += 1
        else:
            self._clocks = {name: self._make() for name in self._references}
            self._phases.seconds.clear()
        for name, algorithm in self._references.items():
            clock = self._clocks[name] if number > 0 else self._make()
            clock.start()
            algorithm.learn(self._round_size, reset_num_timesteps=False, log_interval=None)
            clock.stop()
        self._airl.start()

    def result(self) -> dict[str, Any]:
        """Steps per second of processor and clock time, ratios, and shares of AIRL's phases."""
        steps = self._rounds * self._round_size
        times = {"AIRL": self._airl.read(), **{n: c.read() for n, c in self._clocks.items()}}
        return {
            "rounds": self._rounds,
            "env_steps": steps,
            **{
                name: {**read, "steps_per_cpu_second": round(steps / read["cpu_seconds"])}
                for name, read in times.items()
            },
            "overhead": {
                name: {
                    key: round(times["AIRL"][key] / times[name][key], 3)
                    for key in ("cpu_seconds", "wall_seconds")
                }
                for name in self._references
            },
            "shares": self._phases.shares(self._airl.cpu),
        }


def by_turns(
    trainer: Any, references: Mapping[str, Any], rounds: int, phases: Phases
) -> dict[str, Any]:
    """Trains for some rounds and one more, which warms up and is not counted.

    Args:
        trainer: Of either library.
        references: As `Turns` takes them.
        rounds: That count.
        phases: Of the trainer's rounds.
    """
    size = trainer.gen_train_timesteps
    turns = Turns(references, size, Stopwatch, phases)
    trainer.train(size * (rounds + 1), turns.after_round)
    return turns.result()
