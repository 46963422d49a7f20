import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as check_env_for_sb3

from airl_cli.envs import EnvSpec

mujoco = pytest.importorskip("mujoco")

IDS = ["airl/Ant-v0", "airl/DisabledAnt-v0"]
JOINTS = [f"{part}_{leg}" for leg in (1, 2, 3, 4) for part in ("hip", "ankle")]


def make(env_id):
    return gym.make(env_id, disable_env_checker=True).unwrapped


def gears(model):
    joints = [model.joint(model.actuator_trnid[i, 0]).name for i in range(model.nu)]
    return dict(zip(joints, model.actuator_gear[:, 0], strict=True))


def lengths(model):
    """Of thigh and shin by the number of the leg: of the capsules, and of where the shin begins."""
    measured = {}
    for leg in (1, 2, 3, 4):
        thigh = model.jnt_bodyid[model.joint(f"hip_{leg}").id]
        shin = model.jnt_bodyid[model.joint(f"ankle_{leg}").id]
        capsules = [2 * model.geom_size[model.body_geomadr[body], 1] for body in (thigh, shin)]
        measured[leg] = [*capsules, np.linalg.norm(model.body_pos[shin])]
    return measured


@pytest.mark.parametrize("env_id", IDS)
def test_gymnasium_and_sb3_accept_it(env_id):
    env = make(env_id)
    check_env(env, skip_render_check=True)
    check_env_for_sb3(env, warn=True)


def test_an_episode_lasts_500_steps_even_upside_down():
    env = gym.make("airl/DisabledAnt-v0")
    env.reset(seed=0)
    ends = [env.step(np.zeros(8, np.float32))[2:4] for _ in range(500)]
    assert ends == [(False, False)] * 499 + [(False, True)]


@pytest.mark.parametrize("env_id", IDS)
def test_observations_hold_positions_velocities_and_clipped_contact_forces(env_id):
    env = make(env_id)
    obs, _ = env.reset(seed=0)
    assert obs.shape == env.observation_space.shape == (105,)
    assert obs.dtype == env.observation_space.dtype == np.float32
    rng = np.random.default_rng(0)
    largest = seen = 0.0
    for _ in range(60):
        obs = env.step(rng.uniform(-1, 1, 8))[0]
        np.testing.assert_array_equal(obs[:13], np.float32(env.data.qpos[2:]))
        np.testing.assert_array_equal(obs[13:27], np.float32(env.data.qvel))
        largest = max(largest, np.abs(env.data.cfrc_ext).max())
        seen = max(seen, np.abs(obs[27:]).max())
        assert not env.data.cfrc_ext[0].any()  # why the world's forces are left out
    assert largest > 1  # or clipping was not put to the test
    assert seen == 1


@pytest.mark.parametrize("env_id", IDS)
def test_the_reward_is_that_of_the_state_and_action(env_id):
    env = make(env_id)
    state, _ = env.reset(seed=0)
    rng = np.random.default_rng(0)
    for step in range(40):
        if step == 30:
            qpos = env.data.qpos.copy()
            qpos[2] = 0.1
            env.set_state(qpos, env.data.qvel.copy())
            state = env._observation()
        action = rng.uniform(-1, 1, 8).astype(np.float32)
        expected = (
            state[13] - 0.01 * (action**2).sum() - 0.0005 * (state[27:] ** 2).sum() - (step == 30)
        )
        next_state, reward, _, _, info = env.step(action)
        assert reward == pytest.approx(expected, abs=1e-5)
        assert reward == sum(info.values())
        price = env.true_reward(state[None], action[None], next_state[None], np.zeros(1))
        np.testing.assert_allclose(price, reward, atol=1e-5)
        if step == 30:
            return
        assert state[0] > 0.2
        state = next_state


def test_the_ant_is_gymnasiums_with_weaker_motors():
    ours, theirs = make(IDS[0]).model, gym.make("Ant-v5").unwrapped.model
    assert gears(ours) == {joint: 30 for joint in JOINTS}
    assert gears(theirs) == {joint: 150 for joint in JOINTS}
    for name in ("body_mass", "body_pos", "geom_size", "geom_friction", "jnt_range", "dof_damping"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    assert make(IDS[0]).dt == pytest.approx(0.05)


def test_the_disabled_ant_has_two_short_weak_hind_legs():
    whole, disabled = make(IDS[0]).model, make(IDS[1]).model
    assert gears(disabled) == {joint: 30 if joint[-1] in "12" else 1 for joint in JOINTS}
    diagonal = np.sqrt(2)
    normal = np.array([0.2, 0.4, 0.2]) * diagonal  # thigh, shin, and where the shin begins
    for leg, measured in lengths(whole).items():
        np.testing.assert_allclose(measured, normal, err_msg=str(leg))
    for leg, measured in lengths(disabled).items():
        factor = 1 if leg in (1, 2) else 0.5
        np.testing.assert_allclose(measured, factor * normal, err_msg=str(leg))
    same_side = [disabled.body(name).pos for name in ("aux_3", "aux_4")]
    assert (np.array(same_side)[:, 1] < 0).all()  # neighbours
    assert disabled.nq == whole.nq
    assert disabled.nu == whole.nu


def test_the_seed_determines_the_start():
    spec = EnvSpec("airl/Ant-v0", n_envs=2)
    first = spec.make(seed=3).reset()
    np.testing.assert_array_equal(first, spec.make(seed=3).reset())
    assert not np.array_equal(first[0], first[1])
    assert first.dtype == np.float32


def test_importing_the_environments_leaves_mujoco_alone():
    code = "import sys, airl_cli.envs as _; assert 'mujoco' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_without_mujoco_the_extra_is_named(monkeypatch):
    from airl_cli.errors import NotFoundError

    for module in [name for name in sys.modules if "mujoco" in name or name == "airl_cli.envs.ant"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(NotFoundError, match='"airl-cli\\[mujoco\\]"'):
        EnvSpec("airl/Ant-v0", n_envs=1).make(0)
