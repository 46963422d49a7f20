import importlib
import math
from types import SimpleNamespace

import pytest


def load(name):
    return importlib.import_module(f"benchmarks.{name}")


class Work:
    def __init__(self, clock):
        self.clock = clock

    def outer(self):
        self.clock(1)
        self.inner()
        self.clock(2)

    def inner(self):
        self.clock(10)

    def failing(self):
        self.clock(5)
        raise ValueError


def test_a_moment_counts_for_the_innermost_phase_only(clock):
    phases, work = load("common.phases").Phases(), Work(clock)
    phases.wrap(work, "outer", "rollout")
    phases.wrap(work, "inner", "pricing")
    clock(100)
    work.outer()
    clock(100)
    assert phases.seconds == {"rollout": 3, "pricing": 10}
    assert phases.shares(20) == {"rollout": 0.15, "pricing": 0.5, "other": 0.35}


def test_a_phase_that_raises_is_closed(clock):
    phases, work = load("common.phases").Phases(), Work(clock)
    phases.wrap(work, "failing", "failing")
    phases.wrap(work, "inner", "inner")
    with pytest.raises(ValueError):
        work.failing()
    work.inner()
    assert phases.seconds == {"failing": 5, "inner": 10}


def test_the_stopwatch_leaves_pauses_out(clock):
    watch = load("common.clock").Stopwatch()
    for _ in range(2):
        watch.start()
        clock(3)
        watch.stop()
        clock(100)
    assert watch.read() == {"wall_seconds": 6, "cpu_seconds": 6}


def test_rounds_take_turns_with_the_references_and_the_first_does_not_count(clock):
    def learn(steps, **_):
        clock(4)

    watch, phases = load("common.clock").Stopwatch, load("common.phases").Phases()
    reference = SimpleNamespace(learn=learn)
    turns = load("overhead.turns").Turns({"stock PPO": reference}, 100, watch, phases)
    for number, seconds in enumerate([50, 5, 7]):
        clock(seconds)
        turns.after_round(number)
    result = turns.result()
    assert (result["rounds"], result["env_steps"]) == (2, 200)
    assert result["AIRL"]["cpu_seconds"] == 12
    assert result["stock PPO"] == {
        "wall_seconds": 8,
        "cpu_seconds": 8,
        "steps_per_cpu_second": 25,
    }
    assert result["overhead"]["stock PPO"]["cpu_seconds"] == 1.5


class Trainer:
    """Four rounds of 3 s and 10 steps each."""

    def __init__(self, clock):
        self.clock = clock
        self.gen_algo = SimpleNamespace(num_timesteps=0)

    def train(self, steps, after_round):
        for number in range(steps // 10):
            self.clock(3)
            self.gen_algo.num_timesteps += 10
            after_round(number)


@pytest.mark.parametrize(("threshold", "reached", "rounds"), [(2, True, 2), (9, False, 4)])
def test_training_ends_at_the_threshold_and_evaluation_takes_no_time(
    clock, threshold, reached, rounds
):
    def mean_return(number):
        clock(100)
        return number + 1

    until = load("common.until")
    result = until.train_until(threshold, Trainer(clock), 40, mean_return)
    assert result["reached"] is reached
    assert [point["return"] for point in result["curve"]] == list(range(1, rounds + 1))
    assert (result["env_steps"], result["cpu_seconds"]) == (10 * rounds, 3 * rounds)


def row(seconds, reached=True):
    return {"env_steps": seconds, "cpu_seconds": seconds, "reached": reached}


@pytest.mark.parametrize(
    ("ours", "theirs", "factor"),
    [
        ([row(1), row(2), row(9)], [row(20), row(50), row(40)], "20.0"),
        ([row(1)], [row(30, reached=False)], "over 30.0"),
        ([row(1, reached=False)], [row(30)], "-"),
    ],
)
def test_factors_are_of_medians_and_never_of_what_was_not_reached(ours, theirs, factor):
    run = load("time_to_expert.run")
    assert run._factor({"airl_cli": ours, "imitation": theirs}, "cpu_seconds") == factor


def test_the_spread_shows_every_value():
    report = load("common.report")
    assert report.spread([1.0, 3.0], 1) == "2.0 ± 1.4 (1.0, 3.0)"
    assert math.isinf(report.median([1, math.inf, math.inf]))
