import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from airl_cli.envs import EnvSpec
from airl_cli.errors import InvalidValueError

mujoco = pytest.importorskip("mujoco")

IDS = ["airl/HalfCheetah-v0", "airl/Hopper-v0"]


def make(env_id, **kwargs):
    return EnvSpec(env_id, kwargs=kwargs).make(0, n_envs=1).envs[0].unwrapped


@pytest.mark.parametrize("env_id", IDS)
def test_gymnasium_accepts_it(env_id):
    check_env(make(env_id), skip_render_check=True)


@pytest.mark.parametrize(
    ("env_id", "theirs"),
    [("airl/HalfCheetah-v0", "HalfCheetah-v5"), ("airl/Hopper-v0", "Hopper-v5")],
)
def test_by_default_the_dynamics_are_gymnasiums(env_id, theirs):
    ours, theirs = make(env_id), make(theirs)
    (a, _), (b, _) = ours.reset(seed=0), theirs.reset(seed=0)
    np.testing.assert_array_equal(a, b)
    rng = np.random.default_rng(0)
    for _ in range(100):
        action = rng.uniform(-1, 1, ours.action_space.shape)
        np.testing.assert_array_equal(ours.step(action)[0], theirs.step(action)[0])


@pytest.mark.parametrize(
    ("env_id", "physics"),
    [
        ("airl/HalfCheetah-v0", {"crippled_leg": "front"}),
        ("airl/HalfCheetah-v0", {"gravity": 5.0}),
        ("airl/Hopper-v0", {"thigh_length": 0.6}),
    ],
)
def test_rewards_are_those_of_what_is_seen(env_id, physics):
    env = make(env_id, **physics)
    state, _ = env.reset(seed=0)
    rng = np.random.default_rng(0)
    fell = False
    for _ in range(200):
        action = rng.uniform(-1, 1, env.action_space.shape)
        next_state, reward, terminated, *_ = env.step(action)
        price = env.true_reward(state[None], action[None], next_state[None], np.zeros(1))
        assert price[0] == pytest.approx(reward, abs=1e-6)
        assert not terminated
        state = next_state
        fell |= env_id == "airl/Hopper-v0" and not env.is_healthy
    assert fell or env_id != "airl/Hopper-v0"


def test_a_crippled_leg_has_a_hundredth_of_its_strength():
    whole, lame = make("airl/HalfCheetah-v0"), make("airl/HalfCheetah-v0", crippled_leg="back")
    share = lame.model.actuator_gear[:, 0] / whole.model.actuator_gear[:, 0]
    np.testing.assert_allclose(share, [0.01, 0.01, 0.01, 1, 1, 1])


def test_a_longer_thigh_lifts_the_torso_and_leaves_the_foot_on_the_ground():
    heights = {}
    for length in (0.45, 0.65):
        env = make("airl/Hopper-v0", thigh_length=length)
        env.set_state(env.init_qpos, env.init_qvel)
        heights[length] = {name: env.data.body(name).xpos[2] for name in ("torso", "leg", "foot")}
        assert env.data.qpos[1] == pytest.approx(heights[length]["torso"])
    assert heights[0.65]["torso"] == pytest.approx(heights[0.45]["torso"] + 0.2)
    for part in ("leg", "foot"):
        assert heights[0.65][part] == pytest.approx(heights[0.45][part])


def test_gravity_is_what_was_asked_for():
    assert make("airl/HalfCheetah-v0", gravity=4.0).model.opt.gravity[2] == -4.0
    assert make("airl/Hopper-v0", gravity=4.0).model.opt.gravity[2] == -4.0


def test_physics_without_meaning_are_refused():
    with pytest.raises(InvalidValueError, match="thigh_length must be .*, got 0.0"):
        make("airl/Hopper-v0", thigh_length=0.0)
    with pytest.raises(InvalidValueError, match="gravity must be .*, got -1.0"):
        make("airl/HalfCheetah-v0", gravity=-1.0)
