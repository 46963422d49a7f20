"""Experts that act in the environment: random, noisy, cloned, and out of a saved model."""

import io
import json
import os
import shutil
import zipfile
from functools import partial

import gymnasium
import numpy as np
import pytest
import sb3_contrib
import stable_baselines3 as sb3
import torch
from gymnasium import spaces
from hypothesis import given, settings
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import VecNormalize

from airl_cli.data import storage
from airl_cli.envs import EnvSpec
from airl_cli.errors import AirlError, InvalidValueError, NotFoundError
from airl_cli.experts import CheckpointExpert, ClonedExpert, RandomExpert, TrajectoriesExpert
from airl_cli.experts.sb3_zip import read_model
from airl_cli.experts.wrappers import NoisyPolicy
from airl_cli.seeding import isolated_rng
from support.demos import corruptions

PENDULUM = EnvSpec("Pendulum-v1", n_envs=2, max_episode_steps=10)
CARTPOLE = EnvSpec("CartPole-v1", n_envs=2, max_episode_steps=10)
SMALL = {"net_arch": [8], "activation_fn": torch.nn.ReLU}


class Constant:
    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return np.zeros(len(observation), dtype=np.int64), state


def test_random_expert_shows_the_episodes_asked_for():
    found = RandomExpert(n_episodes=3, subsample=5).demonstrations(PENDULUM, seed=0)
    assert [len(t) for t in found.trajectories] == [10] * 3
    assert len(found.samples) == 6
    assert found.provenance["source"] == "random"
    again = RandomExpert(n_episodes=3, subsample=5).demonstrations(PENDULUM, seed=0)
    assert list(again.trajectories) == list(found.trajectories)
    assert again.samples == found.samples


@pytest.mark.parametrize("noise", [0.0, 0.4, 1.0])
def test_noise_is_the_share_of_random_actions(noise):
    policy = NoisyPolicy(Constant(), spaces.Discrete(4), noise)
    with isolated_rng(0):
        acts, _ = policy.predict(np.zeros((4000, 2)))
    assert np.mean(acts != 0) == pytest.approx(noise * 3 / 4, abs=0.03)


def test_noise_follows_torchs_stream_and_stays_in_the_space():
    box = spaces.Box(-2.0, 3.0, (2,), np.float32)

    class Zero(Constant):
        def predict(self, observation, **kwargs):
            return np.zeros((len(observation), 2), np.float32), None

    drawn = []
    for _ in range(2):
        with isolated_rng(5):
            drawn.append(NoisyPolicy(Zero(), box, 0.5).predict(np.zeros((50, 2)))[0])
    assert np.array_equal(*drawn)
    assert all(box.contains(a) for a in drawn[0])
    with pytest.raises(InvalidValueError, match="noise must be .*, got 1.5"):
        NoisyPolicy(Zero(), box, 1.5)


# -- saved models ----------------------------------------------------------------------------------


def saved(folder, name, algorithm, env, **kwargs):
    path = folder / f"{name}.zip"
    venv = env.make(0, n_envs=1)
    model = algorithm("MlpPolicy", venv, policy_kwargs=dict(SMALL), seed=0, **kwargs)
    model.save(path)
    venv.close()
    return path, model


@pytest.fixture(scope="module")
def ppo(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("models"), "ppo", sb3.PPO, CARTPOLE)


@pytest.mark.parametrize(
    ("algorithm", "env", "kwargs"),
    [
        (sb3.PPO, CARTPOLE, {}),
        (sb3.PPO, PENDULUM, {"use_sde": True}),
        (sb3.A2C, PENDULUM, {}),
        (sb3.DQN, CARTPOLE, {"buffer_size": 10}),
        (sb3.SAC, PENDULUM, {"buffer_size": 10}),
        (sb3.TD3, PENDULUM, {"buffer_size": 10}),
        (sb3_contrib.TQC, PENDULUM, {"buffer_size": 10}),
        (sb3_contrib.TRPO, CARTPOLE, {}),
        (sb3_contrib.CrossQ, PENDULUM, {"buffer_size": 10}),
    ],
)
def test_a_saved_policy_acts_as_it_did_without_unpickling(
    tmp_path, monkeypatch, algorithm, env, kwargs
):
    path, model = saved(tmp_path, "model", algorithm, env, **kwargs)

    def refuse(*args, **kwargs):
        raise AssertionError("something was unpickled")

    monkeypatch.setattr("cloudpickle.loads", refuse)
    monkeypatch.setattr("pickle.loads", refuse)
    policy = CheckpointExpert(str(path), algorithm.__name__.lower()).load_policy(env)
    obs = np.random.default_rng(0).normal(size=(20, *policy.observation_space.shape))
    obs = obs.astype(np.float32)
    wanted, _ = model.policy.predict(obs, deterministic=True)
    assert np.array_equal(policy.predict(obs, deterministic=True)[0], wanted)


def test_demonstrations_of_a_saved_policy(ppo):
    path, _ = ppo
    fixed = EnvSpec("seals/CartPole-v0", n_envs=2, max_episode_steps=10)
    expert = CheckpointExpert(str(path), n_episodes=3, noise=0.5, subsample=2)
    found = expert.demonstrations(fixed, seed=0)
    assert len(found.trajectories) == 3
    assert len(found.samples) == 15
    assert isinstance(found.policy, NoisyPolicy)
    assert found.provenance["source"] == "checkpoint"
    assert found.provenance["noise"] == 0.5
    assert not found.provenance["trust_pickle"]
    digest = found.provenance["sha256"]
    CheckpointExpert(str(path), sha256=digest).load_policy(fixed)
    with pytest.raises(InvalidValueError, match="has the SHA-256"):
        CheckpointExpert(str(path), sha256="00").load_policy(fixed)


@pytest.mark.parametrize(
    ("kwargs", "env", "message"),
    [
        ({"algo": "sac"}, CARTPOLE, "cannot be built from its settings"),
        ({}, PENDULUM, "lacks the tensor 'log_std'"),
        ({"policy_kwargs": {"net_arch": [9]}}, CARTPOLE, r"\(8, 4\) F32, the net has \(9, 4\)"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(ppo, kwargs, env, message):
    with pytest.raises(InvalidValueError, match=f"ppo.zip does not fit .*{message}") as caught:
        CheckpointExpert(str(ppo[0]), **kwargs).load_policy(env)
    assert "expert.policy_kwargs" in caught.value.remedy


def test_unknown_algorithms_and_missing_files_are_refused(tmp_path):
    with pytest.raises(InvalidValueError, match="expert.algo=pop is not known"):
        CheckpointExpert("m.zip", algo="pop")
    with pytest.raises(NotFoundError, match="no model"):
        CheckpointExpert(str(tmp_path / "m.zip")).load_policy(CARTPOLE)


class Bomb:
    def __reduce__(self):
        return (os.mkdir, ("exploded",))


def rewritten(source, target, **members):
    """A copy of a model with members replaced."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, members.get(name.replace(".", "_"), old.read(name)))
    return target


def bomb():
    buffer = io.BytesIO()
    torch.save({"weights": Bomb()}, buffer)
    return buffer.getvalue()


def test_a_pickle_in_the_weights_is_refused_and_not_executed(ppo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = rewritten(ppo[0], tmp_path / "evil.zip", policy_pth=bomb())
    with pytest.raises(InvalidValueError, match="evil.zip: policy.pth holds something other") as e:
        CheckpointExpert(str(path)).load_policy(CARTPOLE)
    assert "trust_pickle=true" in e.value.remedy
    assert os.listdir(tmp_path) == ["evil.zip"]


def test_pickles_in_the_settings_run_only_where_they_are_trusted(ppo, tmp_path, monkeypatch, news):
    import base64

    import cloudpickle

    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile(ppo[0]) as archive:
        data = json.loads(archive.read("data"))
    encoded = base64.b64encode(cloudpickle.dumps(Bomb())).decode()
    data["clip_range_vf"] = {":type:": "<class 'Bomb'>", ":serialized:": encoded}
    path = rewritten(ppo[0], tmp_path / "evil.zip", data=json.dumps(data))
    CheckpointExpert(str(path)).load_policy(CARTPOLE)
    assert os.listdir(tmp_path) == ["evil.zip"]
    news()
    CheckpointExpert(str(path), trust_pickle=True).load_policy(CARTPOLE)
    assert "exploded" in os.listdir(tmp_path)
    assert "runs whatever code its pickles contain" in news()[0]


def test_classes_that_the_settings_name_are_looked_up_in_few_places(ppo, tmp_path):
    with zipfile.ZipFile(ppo[0]) as archive:
        data = json.loads(archive.read("data"))
    data["policy_kwargs"] = {
        "net_arch": [8],
        "activation_fn": "<class 'subprocess.Popen'>",
        "features_extractor_class": "<class 'torch.nn.modules.activation.__doc__'>",
    }
    path = rewritten(ppo[0], tmp_path / "odd.zip", data=json.dumps(data))
    found = read_model(path)
    assert found.policy_kwargs == {"net_arch": [8]}
    assert set(found.unreadable) == {"activation_fn", "features_extractor_class"}


@settings(max_examples=60, deadline=None)
@given(corrupt=corruptions())
def test_corrupted_models_give_an_error_or_the_same_tensors(ppo, corrupt):
    path = ppo[0].with_name("corrupt.zip")
    path.write_bytes(ppo[0].read_bytes())
    corrupt(path)
    sound = read_model(ppo[0])
    try:
        found = read_model(path)
    except AirlError as error:
        assert "corrupt.zip" in error.problem
        assert error.remedy
    else:
        assert found.tensors.keys() == sound.tensors.keys()
        assert all(torch.equal(found.tensors[k], t) for k, t in sound.tensors.items())
        assert found.policy_kwargs == sound.policy_kwargs


def test_observation_statistics_are_a_pickle_that_must_be_trusted(ppo, tmp_path):
    venv = VecNormalize(CARTPOLE.make(0, n_envs=1))
    venv.obs_rms.mean[:], venv.obs_rms.var[:] = 3.0, 4.0
    venv.save(str(tmp_path / "vec.pkl"))
    plain = CheckpointExpert(str(ppo[0])).load_policy(CARTPOLE)
    kwargs = {"path": str(ppo[0]), "vec_normalize": str(tmp_path / "vec.pkl")}
    with pytest.raises(InvalidValueError, match="vec.pkl is a pickle.*\n.*trust_pickle=true"):
        CheckpointExpert(**kwargs).load_policy(CARTPOLE)
    scaled = CheckpointExpert(**kwargs, trust_pickle=True).load_policy(CARTPOLE)
    obs = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    wanted, _ = plain.predict((obs - 3) / 2, deterministic=True)
    assert np.array_equal(scaled.predict(obs, deterministic=True)[0], wanted)
    assert len(set(wanted)) == 2
    (tmp_path / "vec.pkl").write_bytes(b"no pickle")
    with pytest.raises(InvalidValueError, match="holds no statistics of VecNormalize"):
        CheckpointExpert(**kwargs, trust_pickle=True).load_policy(CARTPOLE)
    with pytest.raises(NotFoundError, match="no file"):
        CheckpointExpert(str(ppo[0]), vec_normalize="none.pkl").load_policy(CARTPOLE)


# -- cloned ----------------------------------------------------------------------------------------


def test_a_clone_acts_like_its_teacher_until_noise_comes_in(tmp_path, news):
    fixed = EnvSpec("seals/CartPole-v0", n_envs=4, max_episode_steps=60)

    class Balance:
        def predict(self, observation, state=None, episode_start=None, deterministic=False):
            lean = observation[:, 2] + 0.3 * observation[:, 3]
            return (lean > 0).astype(np.int64), state

    from airl_cli.evaluation import sample_episodes

    storage.save(tmp_path / "t.safetensors", sample_episodes(Balance(), fixed, 8, 0))
    teacher = TrajectoriesExpert(str(tmp_path / "t.safetensors"))
    returns = {
        noise: ClonedExpert(teacher, n_episodes=8, noise=noise, updates=250)
        .demonstrations(fixed, seed=0)
        .returns.mean()
        for noise in (0.0, 0.9)
    }
    assert returns[0.0] >= 55
    assert returns[0.9] < returns[0.0] - 10
    assert any("90% random actions" in text for text in news())


# -- experts that would be others than they were ---------------------------------------------------


class Sine(torch.nn.Module):
    def forward(self, x):
        return torch.sin(3 * x)


class Greedy(ActorCriticPolicy):
    def _predict(self, observation, deterministic=False):
        return self.get_distribution(observation).mode()


@pytest.mark.parametrize("activation", [Sine, partial(torch.nn.LeakyReLU, 0.5)])
def test_an_activation_that_only_a_pickle_holds_is_refused_until_it_is_given(tmp_path, activation):
    model = sb3.PPO(
        "MlpPolicy",
        "CartPole-v1",
        n_steps=8,
        batch_size=8,
        policy_kwargs={"activation_fn": activation},
    )
    model.save(tmp_path / "m.zip")
    with pytest.raises(InvalidValueError, match="activation_fn is .*pickle") as caught:
        CheckpointExpert(str(tmp_path / "m.zip")).load_policy(CARTPOLE)
    assert "expert.policy_kwargs.activation_fn" in caught.value.remedy
    given = {"activation_fn": activation}
    policy = CheckpointExpert(str(tmp_path / "m.zip"), policy_kwargs=given).load_policy(CARTPOLE)
    obs = torch.as_tensor(np.random.default_rng(0).normal(size=(20, 4)), dtype=torch.float32)
    wanted, found = (p.get_distribution(obs).distribution.probs for p in (model.policy, policy))
    assert torch.allclose(wanted, found)


def test_a_policy_class_of_the_users_own_is_refused_until_one_is_named(tmp_path):
    sb3.PPO(Greedy, "CartPole-v1", n_steps=8, batch_size=8).save(tmp_path / "m.zip")
    with pytest.raises(InvalidValueError, match=r"the policy is .*Greedy") as caught:
        CheckpointExpert(str(tmp_path / "m.zip")).load_policy(CARTPOLE)
    assert "expert.policy" in caught.value.remedy
    CheckpointExpert(str(tmp_path / "m.zip"), policy="MlpPolicy").load_policy(CARTPOLE)


def test_shared_layers_of_sb3_1_act_as_they_did(tmp_path):
    nn = torch.nn
    shared = nn.Sequential(nn.Linear(4, 8), nn.Tanh())
    model = sb3.PPO(
        "MlpPolicy", "CartPole-v1", n_steps=8, batch_size=8, policy_kwargs={"net_arch": [8, 5]}
    )
    state = model.policy.state_dict()
    old = {name: t for name, t in state.items() if "mlp_extractor" not in name}
    for name, tensor in shared.state_dict().items():
        old[f"mlp_extractor.shared_net.{name}"] = tensor
    for net in ("policy_net", "value_net"):
        for kind in ("weight", "bias"):
            old[f"mlp_extractor.{net}.0.{kind}"] = state[f"mlp_extractor.{net}.2.{kind}"]
    buffer = io.BytesIO()
    torch.save(old, buffer)
    model.save(tmp_path / "new.zip")
    path = rewritten(tmp_path / "new.zip", tmp_path / "old.zip", policy_pth=buffer.getvalue())
    policy = CheckpointExpert(str(path)).load_policy(CARTPOLE)
    obs = torch.as_tensor(np.random.default_rng(0).normal(size=(20, 4)), dtype=torch.float32)
    hidden = torch.tanh(model.policy.mlp_extractor.policy_net[2](shared(obs)))
    wanted = torch.softmax(model.policy.action_net(hidden), 1)
    assert torch.allclose(policy.get_distribution(obs).distribution.probs, wanted, atol=1e-6)


def test_settings_that_these_versions_cannot_unpickle_are_refused(tmp_path):
    import base64

    sb3.PPO(
        "MlpPolicy", "CartPole-v1", n_steps=8, batch_size=8, policy_kwargs={"activation_fn": Sine}
    ).save(tmp_path / "new.zip")
    with zipfile.ZipFile(tmp_path / "new.zip") as archive:
        data = json.loads(archive.read("data"))
    for broken, message in (
        (b"\x80\x05cnumpy.random._pickle_of_another_numpy\nctor\n.", "cannot load .*m.zip"),
        (b"\x80\x05cbuiltins\nint\n(NtR.", "cannot read policy_kwargs of .*m.zip"),  # a TypeError
    ):
        data["policy_kwargs"][":serialized:"] = base64.b64encode(broken).decode()
        rewritten(tmp_path / "new.zip", tmp_path / "m.zip", data=json.dumps(data))
        with pytest.raises(InvalidValueError, match=message):
            CheckpointExpert(str(tmp_path / "m.zip"), trust_pickle=True).load_policy(CARTPOLE)


@pytest.mark.parametrize("name", ["vec_normalize.pkl", "env/vecnormalize.pkl"])
def test_statistics_beside_a_model_are_mentioned(tmp_path, ppo, news, name):
    shutil.copy(ppo[0], tmp_path / "ppo.zip")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    CheckpointExpert(str(tmp_path / "ppo.zip")).load_policy(CARTPOLE)
    (line,) = news()
    assert f"expert.vec_normalize={tmp_path / name}" in line


def test_actions_that_are_scaled_to_other_bounds_are_refused(tmp_path, news):
    pendulum = EnvSpec("Pendulum-v1", n_envs=1)
    halved = EnvSpec("Pendulum-v1", n_envs=1, wrappers=[halve_actions])
    sb3.SAC("MlpPolicy", "Pendulum-v1", buffer_size=10).save(tmp_path / "sac.zip")
    expert = CheckpointExpert(str(tmp_path / "sac.zip"), algo="sac")
    expert.load_policy(pendulum)
    with pytest.raises(InvalidValueError, match="actions from -2 to 2; .* from -1 to 1"):
        expert.load_policy(halved)
    sb3.PPO("MlpPolicy", "Pendulum-v1", n_steps=8, batch_size=8).save(tmp_path / "ppo.zip")
    news()
    CheckpointExpert(str(tmp_path / "ppo.zip")).load_policy(halved)
    assert "actions from -2 to 2" in news()[0]


def halve_actions(env):
    return gymnasium.wrappers.RescaleAction(env, -1.0, 1.0)


def test_a_path_in_the_home_folder(ppo, monkeypatch):
    monkeypatch.setenv("HOME", str(ppo[0].parent))
    policy = CheckpointExpert(f"~/{ppo[0].name}").load_policy(CARTPOLE)
    assert policy.action_space == CheckpointExpert(ppo[0]).load_policy(CARTPOLE).action_space
