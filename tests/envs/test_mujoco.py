"""What MuJoCo says while environments are made."""

import sys

import gymnasium as gym
import numpy as np
import pytest

from airl_cli.envs import make_vec_env
from airl_cli.errors import InvalidValueError

mujoco = pytest.importorskip("mujoco")

DEPRECATED = """
<mujoco>
  <compiler settotalmass="14"/>
  <worldbody><body><freejoint/><geom size="1"/></body></worldbody>
</mujoco>
"""


class UnstableEnv(gym.Env):
    """Two warnings a construction: about its model, and about a simulation that blows up."""

    observation_space = gym.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gym.spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self):
        model = mujoco.MjModel.from_xml_string(DEPRECATED)
        data = mujoco.MjData(model)
        data.qpos[0] = np.nan
        mujoco.mj_step(model, data)


@pytest.fixture(autouse=True)
def _own_log(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo writes MUJOCO_LOG.TXT where the process is


def make(env_id, n_envs=1):
    make_vec_env(env_id, rng=np.random.default_rng(0), n_envs=n_envs).close()


@pytest.mark.parametrize("env_id", ["seals/HalfCheetah-v1", "HalfCheetah-v5"])
def test_the_deprecation_in_gymnasiums_models_is_not_news(env_id, tmp_path, capfd):
    make(env_id, n_envs=3)
    assert capfd.readouterr().err == ""
    assert list(tmp_path.iterdir()) == []


def test_other_warnings_appear_on_stderr_and_in_the_log(register, tmp_path, capfd):
    make(register(UnstableEnv))
    for text in (capfd.readouterr().err, (tmp_path / "MUJOCO_LOG.TXT").read_text()):
        assert text.count("Nan, Inf or huge value in QPOS") == 1
        assert "settotalmass" not in text


def test_a_handler_that_somebody_set_gets_the_others_and_stays(register, capfd):
    messages, before = [], mujoco.get_mju_user_warning()
    handler = messages.append
    mujoco.set_mju_user_warning(handler)
    try:
        make(register(UnstableEnv))
        assert mujoco.get_mju_user_warning() == handler
    finally:
        mujoco.set_mju_user_warning(before)
    assert len(messages) == 1
    assert "QPOS" in messages[0]
    assert capfd.readouterr().err == ""


def test_warnings_of_a_construction_that_fails_are_shown(register, capfd):
    class Failing(UnstableEnv):
        def __init__(self):
            super().__init__()
            raise RuntimeError("no")

    with pytest.raises(InvalidValueError, match="RuntimeError: no"):
        make(register(Failing))
    assert "QPOS" in capfd.readouterr().err
    assert mujoco.get_mju_user_warning() is None


def test_environments_without_mujoco_do_not_import_it(register, monkeypatch):
    monkeypatch.delitem(sys.modules, "mujoco")
    make(register())
    assert "mujoco" not in sys.modules
