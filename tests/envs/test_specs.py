import inspect

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from airl_cli.config import conf_dir
from airl_cli.config.instantiation import instantiate
from airl_cli.config.validation import TRAIN_KEYS, validated
from airl_cli.envs import EnvSpec, specs
from airl_cli.errors import InvalidTypeError, InvalidValueError
from airl_cli.runs.vocabulary import Received


def composed(*overrides):
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return compose("train", list(overrides))


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (
            ["env=point_maze", "env.direction=right"],
            EnvSpec("airl/PointMaze-v0", kwargs={"direction": "right"}),
        ),
        (
            ["env=cartpole_physics", "env.length=1", "env.force_mag=5", "env.n_envs=2"],
            EnvSpec(
                "airl/CartPole-v0",
                n_envs=2,
                kwargs={"length": 1.0, "masspole": 0.1, "force_mag": 5.0, "gravity": 9.8},
            ),
        ),
        (
            ["env=cheetah_physics", "env.crippled_leg=back"],
            EnvSpec("airl/HalfCheetah-v0", kwargs={"crippled_leg": "back", "gravity": 9.81}),
        ),
        (
            ["env=hopper_physics", "env.thigh_length=0.6"],
            EnvSpec("airl/Hopper-v0", kwargs={"thigh_length": 0.6, "gravity": 9.81}),
        ),
        (
            ["env=pendulum_physics", "env.mass=2"],
            EnvSpec("airl/Pendulum-v0", kwargs={"mass": 2.0, "length": 1.0, "gravity": 10.0}),
        ),
        (["env=airl_ant"], EnvSpec("airl/Ant-v0", kwargs={}, wrappers=[])),
        (
            ["env=disabled_ant"],
            EnvSpec("airl/DisabledAnt-v0", n_envs=16, kwargs={}, wrappers=[]),
        ),
    ],
)
def test_configs_describe_the_environments(overrides, expected):
    node = OmegaConf.to_container(composed(*overrides).env)
    for spec in (instantiate(node), Received().value(node, "env")):  # of a run, read back
        assert spec.fingerprint() == expected.fingerprint()
        assert spec.n_envs == expected.n_envs


def test_the_same_physics_written_differently_are_the_same_task():
    assert (
        specs.cart_pole(length=1, gravity=10).fingerprint()
        == specs.cart_pole(length=1.0, gravity=10.0).fingerprint()
        != specs.cart_pole(length=1.5, gravity=10.0).fingerprint()
    )


@pytest.mark.parametrize(
    "factory",
    [
        specs.point_maze,
        specs.cart_pole,
        specs.pendulum,
        specs.half_cheetah,
        specs.hopper,
    ],
)
def test_specs_take_what_a_spec_takes_and_pass_it_on(factory):
    spec = factory(n_envs=3, max_episode_steps=20, vectorization="subproc", wrappers=(max,))
    assert (spec.n_envs, spec.max_episode_steps) == (3, 20)
    assert (spec.vectorization, spec.wrappers) == ("subproc", (max,))
    defaults = inspect.signature(EnvSpec).parameters
    for name, parameter in inspect.signature(factory).parameters.items():
        if name in defaults:
            assert parameter.default == defaults[name].default


def test_wrong_arguments_are_refused_before_anything_is_built():
    with pytest.raises(InvalidTypeError, match="env.direction='up'.*left or right"):
        validated(composed("env=point_maze", "env.direction=up"), TRAIN_KEYS)
    with pytest.raises(InvalidValueError, match="env.lenght"):
        validated(composed("env=cartpole_physics", "+env.lenght=2"), TRAIN_KEYS)
