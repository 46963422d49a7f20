"""Keys and types of a config, checked against signatures."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Optional

import pytest

from airl_cli.config.signatures import (
    ALGORITHM,
    check_signatures,
    describe,
    locate,
    matches,
    parameters,
)
from airl_cli.errors import InvalidTypeError, InvalidValueError, NotFoundError
from airl_cli.limits import Count

HERE = "airl_cli.envs.EnvSpec"
NODE = {"_target_": "anything"}


@pytest.mark.parametrize(
    ("hint", "fits", "does_not"),
    [
        (int, [0, -3], [1.5, True, "1", None, [1]]),
        (Count, [0, -3], [1.5, True, "1", None, [1]]),
        (float, [0, 1.5, float("inf")], [False, "1.0", None]),
        (bool, [True, False], [0, 1, "true"]),
        (str, ["", "x"], [1, None]),
        (int | None, [1, None], ["x", 1.5]),
        (Optional[float], [1.5, None], ["x"]),  # noqa: UP045 (the old spelling is in use)
        (Literal["a", "b"], ["a"], ["c", 1]),
        (list[int], [[], [1]], [1, ["a"], {"a": 1}]),
        (Sequence[str], [["a"]], ["a", [1]]),
        (Iterable[int], [[1, 2]], [3, "ab"]),
        (tuple[int, ...], [[1, 2]], [["a"], 1]),
        (tuple[int, str], [[1, "a"]], [[1], ["a", 1]]),
        (Mapping[str, Any], [{}, {"a": 1}], [[], 1]),
        (dict[str, Any] | None, [{}, None], [[1]]),
        (type[int], [NODE], ["int", 3]),
        (Callable[[int], int], [NODE], ["f", 3]),
        (str | type[int], ["MlpPolicy", NODE], [3]),
        (Path, ["a/b"], [3]),
        (Any, [1, "x", None], []),
    ],
    ids=str,
)
def test_values_fit_their_hints(hint: Any, fits: list[Any], does_not: list[Any]) -> None:
    assert [value for value in fits if not matches(value, hint)] == []
    assert [value for value in does_not if matches(value, hint)] == []


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (int | None, "a whole number or null"),
        (list[int], "a list, each item a whole number"),
        (Sequence, "a list"),
        (Literal["a", "b"], "a or b"),
        (Mapping[str, int], "a mapping"),
        (type[int], "a class or function (a mapping with _target_)"),
    ],
)
def test_hints_are_described_in_words(hint: Any, words: str) -> None:
    assert describe(hint) == words


class Base:
    def __init__(self, size: int, *, rate: float = 1.0) -> None:
        """Nothing."""


class Passing(Base):
    def __init__(self, own: str, **kwargs: Any) -> None:
        """Nothing."""


class Closed(Base):
    def __init__(self, own: str) -> None:
        """Nothing."""


@dataclass
class Data:
    size: int
    name: str | None = None


def test_parameters_of_functions_classes_and_dataclasses() -> None:
    def function(a: int, *args: int, b: str = "", **rest: Any) -> None:
        """Nothing."""

    assert parameters(function) == ({"a": int, "b": str}, True)
    assert parameters(Closed) == ({"own": str}, False)
    assert parameters(Data) == ({"size": int, "name": str | None}, False)


def test_keyword_arguments_passed_on_are_looked_up_in_the_bases() -> None:
    accepted, open_ended = parameters(Passing)
    assert accepted == {"own": str, "size": int, "rate": float}
    assert open_ended


def test_stable_baselines_classes_can_be_read() -> None:
    accepted, open_ended = parameters(locate("stable_baselines3.PPO", "generator"))
    assert {"policy", "n_steps", "learning_rate"} <= set(accepted)
    assert not open_ended


def check(config: dict[str, Any], extra: Mapping[str, Any] | None = None) -> None:
    check_signatures(config, extra or {})


def test_good_nodes_pass_at_any_depth() -> None:
    check({"env": {"_target_": HERE, "id": "x"}, "list": [1], "deep": {"er": {"a": 1}}})


def test_an_unknown_key_names_the_nearest() -> None:
    with pytest.raises(InvalidValueError, match=r"a\.env\.n_env: .*'n_env'") as error:
        check({"a": {"env": {"_target_": HERE, "n_env": 2}}})
    assert "n_envs" in error.value.remedy


def test_a_wrong_type_names_key_and_wish() -> None:
    with pytest.raises(InvalidTypeError, match=r"env\.n_envs='two'.*whole number"):
        check({"env": {"_target_": HERE, "n_envs": "two"}})


def test_a_whole_float_stands_for_an_integer() -> None:
    config = {"env": {"_target_": HERE, "n_envs": 1e1}}
    check(config)
    assert config["env"]["n_envs"] == 10
    assert isinstance(config["env"]["n_envs"], int)


def test_nodes_in_lists_are_checked() -> None:
    with pytest.raises(InvalidValueError, match=r"env\.wrappers\.nothing"):
        wrapper = {"_target_": "airl_cli.envs.FixedHorizon", "nothing": 1}
        check({"env": {"_target_": HERE, "id": "x", "wrappers": [wrapper]}})


ALGORITHM_NODE = {"_target_": "stable_baselines3.SAC", "policy": "MlpPolicy"}


@pytest.mark.parametrize("name", sorted(ALGORITHM))
@pytest.mark.parametrize("value", [-2, math.nan])
def test_limits_of_algorithms_refuse_and_name_the_key(name: str, value: float) -> None:
    target = {"_target_": "sb3_contrib.TQC" if "quantiles" in name else "stable_baselines3.SAC"}
    if name not in parameters(locate(target["_target_"], "generator"))[0]:
        target["_target_"] = (
            "sb3_contrib.CrossQ" if name == "policy_delay" else "stable_baselines3.PPO"
        )
    with pytest.raises((InvalidValueError, InvalidTypeError), match=f"^generator.{name}"):
        check({"generator": {**target, name: value}})


@pytest.mark.parametrize(("gamma", "good"), [(0, False), (0.5, True), (1, True), (1.01, False)])
def test_the_discount_is_above_zero_and_at_most_one(gamma: float, good: bool) -> None:
    config = {"generator": {**ALGORITHM_NODE, "gamma": gamma}}
    if good:
        check(config)
    else:
        with pytest.raises(InvalidValueError, match=r"generator\.gamma must be more than 0"):
            check(config)


def test_a_number_is_finite_wherever_it_stands() -> None:
    with pytest.raises(InvalidValueError, match=r"a\.b must be a finite number, got inf"):
        check({"a": {"b": math.inf}})
    with pytest.raises(InvalidValueError, match=r"generator\.ent_coef must be a finite number"):
        check({"generator": {**ALGORITHM_NODE, "ent_coef": math.inf}})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("trainer.disc_opt_kwargs.lr", 0),
        ("trainer.base_opt_kwargs.weight_decay", -1),
        ("generator.policy_kwargs.optimizer_kwargs.lr", -1),
        ("generator.policy_kwargs.net_arch", [0]),
        ("generator.policy_kwargs.net_arch.pi", [32, -1]),
    ],
)
def test_mappings_of_arguments_have_limits(path: str, value: Any) -> None:
    for key in reversed(path.split(".")):
        value = {key: value}
    with pytest.raises(InvalidValueError, match=f"^{path} must be"):
        check(value)


@pytest.mark.parametrize("name", ["SparseAdam", "LBFGS"])
def test_an_optimiser_that_cannot_make_a_step_is_refused(name: str) -> None:
    with pytest.raises(InvalidValueError, match=f"disc_opt_cls._target_={name} cannot train"):
        check({"trainer": {"disc_opt_cls": {"_target_": f"torch.optim.{name}", "_partial_": True}}})
    check({"trainer": {"disc_opt_cls": {"_target_": "torch.optim.RMSprop", "_partial_": True}}})


def test_keys_that_commands_read_themselves_are_checked_too() -> None:
    extra = {"": {"seed": int}, "env": {"own": int}, "plain": {"n": int}}
    config = {"seed": 1, "env": {"_target_": HERE, "own": 3}, "plain": {"n": 2}}
    check(config, extra)
    with pytest.raises(InvalidTypeError, match="plain.n='x'"):
        check({**config, "plain": {"n": "x"}}, extra)
    with pytest.raises(InvalidTypeError, match="env.own='x'"):
        check({**config, "env": {"_target_": HERE, "own": "x"}}, extra)


@pytest.mark.parametrize(
    ("target", "remedy"),
    [
        ("airl_cli.envs.EnvSpek", "EnvSpec"),
        ("nopackage.Thing", "installed"),
        ("nopackage", "installed"),
        ("airl_cli..envs", "spelling"),
    ],
)
def test_a_target_that_does_not_exist_is_named(target: str, remedy: str) -> None:
    with pytest.raises(NotFoundError, match="cannot be imported") as error:
        locate(target, "env")
    assert remedy in error.value.remedy
    assert f"env._target_={target}" in error.value.problem


def test_a_module_is_no_target() -> None:
    with pytest.raises(InvalidTypeError, match="not a class or function"):
        locate("airl_cli.envs", "env")
