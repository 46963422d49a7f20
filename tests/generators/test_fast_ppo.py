"""`FastPPO` against Stable-Baselines3's PPO: the same, up to rounding."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import KVWriter, Logger
from stable_baselines3.common.vec_env import DummyVecEnv
from torch import nn

from airl_cli.algorithms import AIRL
from airl_cli.features import NormalizedFeatures
from airl_cli.generators import FastPPO
from airl_cli.quiet import leave_no_log_folder
from airl_cli.rewards import BasicShapedRewardNet, EMANorm
from support.line import Line, line_demonstrations, line_venv

BASIC: dict[str, Any] = {"n_steps": 40, "batch_size": 40, "n_epochs": 3, "learning_rate": 1e-3}


def made(algorithm: type[PPO], env: dict[str, Any] | None = None, **kwargs: Any) -> PPO:
    venv = line_venv(**(env or {}))
    settings = {**BASIC, "device": "cpu", "seed": 0, **kwargs}
    return unlogged(algorithm("MlpPolicy", venv, **settings))


def unlogged(model: PPO) -> PPO:
    leave_no_log_folder(model)
    return model


def trained(algorithm: type[PPO], steps: int, **kwargs: Any) -> PPO:
    """Made and trained at once: what is random depends on the seed alone."""
    return made(algorithm, **kwargs).learn(steps)


def state(model: PPO) -> dict[str, th.Tensor]:
    return {name: tensor.clone() for name, tensor in model.policy.state_dict().items()}


def assert_same(ours: dict[str, th.Tensor], theirs: dict[str, th.Tensor], atol: float) -> None:
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        th.testing.assert_close(ours[name], tensor, atol=atol, rtol=1e-4, msg=name)


class Logged(KVWriter):
    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def write(self, key_values, key_excluded, step=0) -> None:
        self.seen.append(dict(key_values))

    def close(self) -> None: ...


CASES: dict[str, dict[str, Any]] = {
    "continuous": {},
    "discrete": {"env": {"discrete": True}, "ent_coef": 0.01},
    "with terminal states": {"env": {"terminal_at": 0.6}},
    "clipped values and entropy": {"clip_range_vf": 0.01, "ent_coef": 0.1, "vf_coef": 0.3},
    "a last, smaller minibatch": {"batch_size": 48},
    "one sample in the last minibatch": {"batch_size": 53},
    "without normalised advantages": {"normalize_advantage": False, "max_grad_norm": 1e-2},
    "stopped early": {"target_kl": 1e-5, "n_epochs": 10},
    "a changing rate": {"learning_rate": lambda left: 1e-3 * left, "clip_range": 0.1},
    "running-normalised features": {
        "policy_kwargs": {"features_extractor_class": NormalizedFeatures}
    },
    "exponentially normalised features": {
        "policy_kwargs": {
            "features_extractor_class": NormalizedFeatures,
            "features_extractor_kwargs": {"norm": EMANorm},
        }
    },
    "unequal nets": {
        "policy_kwargs": {"net_arch": {"pi": [16], "vf": []}, "activation_fn": nn.ReLU}
    },
    "features not shared": {"policy_kwargs": {"share_features_extractor": False}},
    "another optimiser": {"policy_kwargs": {"optimizer_class": th.optim.RMSprop}},
}


@pytest.mark.parametrize("case", CASES)
def test_the_policy_is_that_of_sb3(case: str) -> None:
    models = [trained(algorithm, 3 * 160, **CASES[case]) for algorithm in (PPO, FastPPO)]
    assert isinstance(models[1], FastPPO) and models[1].is_fast
    assert models[0]._n_updates == models[1]._n_updates
    assert_same(state(models[1]), state(models[0]), atol=2e-5)


def test_it_logs_what_sb3_logs(tmp_path) -> None:
    seen = []
    for algorithm in (PPO, FastPPO):
        model, writer = made(algorithm, clip_range_vf=0.2, ent_coef=0.1), Logged()
        model.set_logger(Logger(str(tmp_path), [writer]))
        model.learn(2 * 160)
        model.logger.dump()
        seen.append({k: v for line in writer.seen for k, v in line.items() if "time" not in k})
    assert seen[0].keys() == seen[1].keys()
    for name, value in seen[0].items():
        assert seen[1][name] == pytest.approx(value, abs=1e-5, rel=1e-4), name


def test_the_rollout_is_that_of_sb3() -> None:
    buffers = []
    for algorithm in (PPO, FastPPO):
        model = trained(algorithm, 2 * 160, env={"terminal_at": 0.5}, learning_rate=0.0)
        buffers.append(model.rollout_buffer)
    # Episodes end in terminal states and at the time limit, whose value is bootstrapped.
    assert 8 < buffers[0].episode_starts.sum() < 80
    columns = [
        {k: np.sort(v, axis=None) for k, v in vars(b).items() if isinstance(v, np.ndarray)}
        for b in buffers
    ]
    for name, expected in columns[0].items():
        np.testing.assert_allclose(columns[1][name], expected, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("discrete", [True, False])
def test_reward_and_policy_of_airl_are_those_of_the_plain_path(discrete: bool, tmp_path) -> None:
    learned = []
    for algorithm in (PPO, FastPPO):
        model = made(algorithm, {"discrete": discrete})
        th.manual_seed(0)
        net = BasicShapedRewardNet(
            model.observation_space, model.action_space, normalize_input_layer=EMANorm
        )
        game = AIRL(
            demonstrations=line_demonstrations(discrete=discrete),
            demo_batch_size=64,
            venv=model.env,
            gen_algo=model,
            reward_net=net,
            normalize_gen_reward=True,
            n_disc_updates_before_pricing=2,
            gen_replay_buffer_capacity=400,
            log_dir=tmp_path,
        )
        game.train(5 * 160)
        weights = {f"reward.{k}": v.clone() for k, v in net.state_dict().items()}
        learned.append({**weights, **state(model)})
    assert_same(learned[1], learned[0], atol=1e-4)


def test_a_file_of_it_goes_on_where_it_was_and_sb3_can_read_it(tmp_path) -> None:
    whole = made(FastPPO)
    whole.learn(2 * 160)
    whole.save(tmp_path / "model.zip")
    for algorithm in (FastPPO, PPO):
        again = algorithm.load(tmp_path / "model.zip", device="cpu")
        assert_same(state(again), state(whole), atol=0)
        moments = [m.policy.optimizer.state_dict()["state"] for m in (again, whole)]
        assert {float(e["step"]) for e in moments[0].values()} == {2 * 3 * 4.0}
        for index, entries in moments[1].items():
            assert th.equal(moments[0][index]["exp_avg_sq"], entries["exp_avg_sq"])
    again = unlogged(FastPPO.load(tmp_path / "model.zip", device="cpu"))
    results = []
    for model in (whole, again):
        model.set_env(line_venv(seed=5))
        model.set_random_seed(5)
        model._last_obs = None
        model.learn(160, reset_num_timesteps=False)
        results.append(state(model))
    assert_same(*results, atol=0)


def test_weights_that_are_loaded_in_between_are_used() -> None:
    first, second = made(FastPPO), made(FastPPO, seed=1)
    for model in (first, second):
        model.learn(160)
    second.set_parameters(copy.deepcopy(first.get_parameters()))
    assert_same(state(second), state(first), atol=0)
    buffers = [model.rollout_buffer for model in (first, second)]
    vars(buffers[1]).update(vars(buffers[0]))
    for model in (first, second):
        np.random.seed(0)
        model.rollout_buffer.generator_ready = False
        model.train()
    assert_same(state(second), state(first), atol=0)


class Watcher(BaseCallback):
    def __init__(self, stop_at: int) -> None:
        super().__init__()
        self.stop_at = stop_at
        self.events: list[str] = []

    def _on_rollout_start(self) -> None:
        self.events.append("start")

    def _on_rollout_end(self) -> None:
        self.events.append("end")
        assert np.isfinite(self.locals["rollout_buffer"].advantages).all()

    def _on_step(self) -> bool:
        known = {"actions", "clipped_actions", "new_obs", "rewards", "dones", "infos", "n_steps"}
        assert known <= set(self.locals) and self.locals["self"] is self.model
        return self.n_calls < self.stop_at


def test_callbacks_see_every_step_and_can_stop() -> None:
    for algorithm in (PPO, FastPPO):
        model, watcher = made(algorithm), Watcher(stop_at=50)
        model.learn(3 * 160, callback=watcher)
        assert watcher.events == ["start", "end", "start"]
        assert watcher.n_calls == 50 and model.num_timesteps == 200


def test_actions_that_are_no_numbers_are_refused() -> None:
    for discrete in (True, False):
        model = made(FastPPO, {"discrete": discrete})
        nn.init.constant_(model.policy.action_net.bias, np.nan)
        with pytest.raises(ValueError, match="NaN"):
            model.learn(160)


@pytest.mark.parametrize(
    "settings",
    [
        {"use_sde": True},
        {"policy_kwargs": {"activation_fn": nn.ELU}},
        {"policy_kwargs": {"share_features_extractor": False,
                           "features_extractor_class": NormalizedFeatures}},
    ],
)  # fmt: skip
def test_policies_of_other_kinds_are_trained_by_sb3(settings: dict[str, Any]) -> None:
    models = [trained(algorithm, 160, **settings) for algorithm in (PPO, FastPPO)]
    assert isinstance(models[1], FastPPO) and not models[1].is_fast
    assert_same(state(models[1]), state(models[0]), atol=0)


def test_spaces_of_float64_are_taken_as_sb3_takes_them() -> None:
    class Double(Line):
        def __init__(self) -> None:
            super().__init__()
            self.observation_space = spaces.Box(-10.0, 10.0, (2,), np.float64)
            self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float64)

    weights = []
    for algorithm in (PPO, FastPPO):
        venv = DummyVecEnv([Double] * 4)
        model = unlogged(algorithm("MlpPolicy", venv, device="cpu", seed=0, **BASIC))
        weights.append(state(model.learn(160)))
    assert_same(weights[1], weights[0], atol=2e-5)


def test_images_and_discrete_observations_are_encoded_as_sb3_does() -> None:
    from stable_baselines3.common.envs import FakeImageEnv, IdentityEnv

    for env in (lambda: IdentityEnv(4), lambda: FakeImageEnv(9, 9, 1, discrete=True)):
        models = []
        for algorithm in (PPO, FastPPO):
            venv = DummyVecEnv([env])
            if isinstance(venv.observation_space, spaces.Discrete):
                venv.observation_space.seed(0), venv.action_space.seed(0)
            models.append(algorithm("MlpPolicy", venv, device="cpu", seed=0, **BASIC))
        assert models[1].is_fast
        obs = np.stack([models[0].observation_space.sample() for _ in range(7)])
        tensor = models[0].policy.obs_to_tensor(obs)[0]
        net = models[1]._net()
        with th.no_grad():
            expected = models[0].policy.predict_values(tensor)
            th.testing.assert_close(net.critic(net.features(th.as_tensor(obs))), expected)
