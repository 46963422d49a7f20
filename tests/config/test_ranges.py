"""Numbers of a config, alone and together."""

import math

import pytest

from airl_cli.config.ranges import (
    RANGES,
    check_combinations,
    check_ranges,
    steps_per_round,
)
from airl_cli.errors import InvalidValueError
from airl_cli.nodes import lookup


def nested(path: str, value: object) -> dict:
    for key in reversed(path.split(".")):
        value = {key: value}
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("path", RANGES)
def test_every_range_refuses_something_and_names_the_key(path: str) -> None:
    with pytest.raises(InvalidValueError, match=f"^{path}=-2 is out of range") as error:
        check_ranges(nested(path, -2))
    assert error.value.remedy.startswith("It must be ")


@pytest.mark.parametrize("path", RANGES)
def test_nan_is_in_no_range(path: str) -> None:
    with pytest.raises(InvalidValueError, match="nan"):
        check_ranges(nested(path, math.nan))


def test_null_absent_and_other_types_are_none_of_its_business() -> None:
    check_ranges({"env": {"n_envs": None}, "generator": {"learning_rate": {"_target_": "x"}}})


@pytest.mark.parametrize(("gamma", "good"), [(0, False), (0.5, True), (1, True), (1.01, False)])
def test_the_discount_is_above_zero_and_at_most_one(gamma: float, good: bool) -> None:
    config = nested("generator.gamma", gamma)
    if good:
        check_ranges(config)
    else:
        with pytest.raises(InvalidValueError):
            check_ranges(config)


def trainer(**keys: object) -> dict:
    return {"trainer": keys, "env": {"n_envs": 4}, "generator": {"n_steps": 25}}


def test_the_minibatch_divides_the_batch() -> None:
    check_combinations(trainer(demo_batch_size=12, demo_minibatch_size=4))
    with pytest.raises(InvalidValueError, match="=5 does not divide .*=12") as error:
        check_combinations(trainer(demo_batch_size=12, demo_minibatch_size=5))
    assert "for example 4" in error.value.remedy


def test_there_are_steps_for_one_round() -> None:
    check_combinations(trainer(total_timesteps=100))
    with pytest.raises(InvalidValueError, match="=99 is less than one round of 100") as error:
        check_combinations(trainer(total_timesteps=99))
    assert "total_timesteps=100" in error.value.remedy


def test_the_length_of_a_round_is_the_trainers_or_else_one_rollout() -> None:
    assert steps_per_round(trainer(gen_train_timesteps=7)) == 7
    assert steps_per_round(trainer()) == 100
    assert steps_per_round({"env": {"n_envs": 4}, "generator": {}}) is None


def test_lookup_ends_where_the_path_does() -> None:
    assert lookup({"a": {"b": 1}}, "a.b") == 1
    assert lookup({"a": 1}, "a.b.c") is None
    assert lookup({}, "a") is None
