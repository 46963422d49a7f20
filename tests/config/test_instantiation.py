"""Objects from config nodes."""

from functools import partial

import pytest
from torch import nn

from airl_cli.config.instantiation import build, instantiate
from airl_cli.envs import EnvSpec
from airl_cli.errors import InvalidValueError


def test_a_node_becomes_an_object_with_plain_containers() -> None:
    spec = instantiate({"_target_": "airl_cli.envs.EnvSpec", "id": "x", "kwargs": {"a": [1]}})
    assert isinstance(spec, EnvSpec)
    assert type(spec.kwargs) is dict
    assert type(spec.kwargs["a"]) is list


def test_keys_that_are_no_arguments_can_be_left_out() -> None:
    node = {"_target_": "airl_cli.envs.EnvSpec", "id": "x", "total_timesteps": 3}
    assert instantiate(node, "total_timesteps") == EnvSpec("x")


def test_partials_stay_callable() -> None:
    made = instantiate({"_target_": "torch.nn.Linear", "_partial_": True, "in_features": 2})
    assert isinstance(made, partial)
    assert isinstance(made(out_features=3), nn.Linear)


def test_a_mistake_that_the_target_explains_arrives_as_it_is() -> None:
    with pytest.raises(InvalidValueError, match="n_envs"):
        instantiate({"_target_": "airl_cli.envs.EnvSpec", "id": "x", "n_envs": 0})


def test_what_the_target_refuses_otherwise_is_a_mistake_too() -> None:
    with pytest.raises(InvalidValueError, match=r"torch\.nn\.Linear cannot be made"):
        instantiate({"_target_": "torch.nn.Linear", "width": 2})


def refusing(kind: type[Exception]) -> None:
    raise kind("too\n   wide")


@pytest.mark.parametrize("kind", [ValueError, TypeError, AssertionError])
def test_what_a_factory_refuses_names_the_group(kind: type[Exception]) -> None:
    with pytest.raises(InvalidValueError, match="reward: refusing refuses .*: too wide"):
        build("reward", partial(refusing, kind))


def test_other_exceptions_of_a_factory_are_not_the_users_mistakes() -> None:
    with pytest.raises(ZeroDivisionError):
        build("reward", partial(refusing, ZeroDivisionError))


def test_an_unknown_argument_names_the_nearest() -> None:
    with pytest.raises(InvalidValueError) as error:
        build("reward", partial(nn.Linear, in_feature=2))
    assert error.value.remedy == "Did you mean 'in_features'?"
