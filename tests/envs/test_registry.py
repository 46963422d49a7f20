import sys

import gymnasium as gym
import pytest

from airl_cli.envs.registry import explained_construction, find_spec, near_matches
from airl_cli.errors import InvalidValueError, NotFoundError


def test_seals_environments_need_no_import():
    assert find_spec("seals/CartPole-v0").id == "seals/CartPole-v0"
    assert find_spec("seals:seals/CartPole-v0").id == "seals/CartPole-v0"


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("CartPol-v1", "CartPole-v1"),
        ("cartpole-v1", "CartPole-v1"),
        ("CartPole", "CartPole-v1"),
        ("seals/CartPool-v0", "seals/CartPole-v0"),
        ("HalfCheeta-v4", "HalfCheetah-v5"),
        ("Pendulum-v9", "Pendulum-v1"),
    ],
)
def test_unknown_ids_name_near_matches(wrong, meant):
    with pytest.raises(NotFoundError) as caught:
        find_spec(wrong)
    assert repr(wrong) in caught.value.problem
    assert meant in caught.value.remedy


def test_an_id_like_no_other_points_to_import_module():
    assert near_matches("xyzzyx-v0") == []
    with pytest.raises(NotFoundError, match="env.import_module"):
        find_spec("xyzzyx-v0")


@pytest.mark.parametrize("env_id", ["", "a b", "nomodule:"])
def test_malformed_ids_are_errors_for_the_user(env_id):
    with pytest.raises(NotFoundError):
        find_spec(env_id)


def test_the_users_own_module_is_imported_and_registers(tmp_path, monkeypatch, register):
    (tmp_path / "airl_test_module.py").write_text(
        "import gymnasium\n"
        "gymnasium.register('AirlTest-v0', 'gymnasium.envs.classic_control:PendulumEnv')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "airl_test_module", raising=False)
    assert find_spec("AirlTest-v0", import_module="airl_test_module").id == "AirlTest-v0"


def test_modules_that_are_missing_or_broken_are_named(tmp_path, monkeypatch):
    with pytest.raises(NotFoundError, match="'no_such_module'.*\n.*PYTHONPATH") as caught:
        find_spec("Pendulum-v1", import_module="no_such_module")
    assert "pip install" not in caught.value.remedy
    (tmp_path / "airl_broken_module.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InvalidValueError, match="ZeroDivisionError: division by zero"):
        find_spec("Pendulum-v1", import_module="airl_broken_module")


def test_a_missing_module_of_a_known_namespace_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ale_py", None)  # makes its import fail
    with pytest.raises(NotFoundError) as caught:
        find_spec("ALE/Pong-v5")
    assert 'pip install "airl-cli[atari]"' in caught.value.remedy


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (gym.error.DependencyNotInstalled("MuJoCo is not installed"), '"airl-cli[mujoco]"'),
        (gym.error.DependencyNotInstalled("Box2D is not installed"), '"airl-cli[box2d]"'),
        (ModuleNotFoundError("No module named 'mujoco'"), '"airl-cli[mujoco]"'),
        (ModuleNotFoundError("No module named 'other'"), "Install what it asks for"),
        (ImportError("moved to another project"), "Did you mean Hopper-v5"),
    ],
)
def test_missing_dependencies_name_the_extra(error, remedy):
    with (
        pytest.raises(NotFoundError, match="'Hopper-v2'") as caught,
        explained_construction("Hopper-v2", has_kwargs=False),
    ):
        raise error
    assert remedy in caught.value.remedy
    assert str(error) in caught.value.problem


def test_any_error_of_a_constructor_names_the_environment_and_the_error():
    raises = pytest.raises(InvalidValueError, match="'X-v0' cannot be made: KeyError: 'bug'")
    with raises as caught, explained_construction("X-v0", has_kwargs=False):
        raise KeyError("bug")
    assert isinstance(caught.value.__cause__, KeyError)
