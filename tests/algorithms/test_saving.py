"""What a trainer learned, saved and loaded again."""

import json
from functools import partial

import numpy as np
import pytest
import torch as th
from stable_baselines3 import SAC

import airl_cli
from airl_cli.algorithms import GAIL
from airl_cli.errors import InvalidValueError
from airl_cli.features import NormalizedFeatures
from airl_cli.generators import FastPPO
from airl_cli.policies import FeedForward32Policy
from airl_cli.rewards import (
    BasicRewardNet,
    EMANorm,
    RunningNorm,
    ShapedRewardEnsemble,
    ShapedRewardNet,
)
from support.line import Line

LINE = Line()
SPACES = LINE.observation_space, LINE.action_space


def transitions() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    obs, next_obs = rng.normal(size=(2, 9, 2)).astype(np.float32)
    return obs, rng.uniform(-1, 1, (9, 1)).astype(np.float32), next_obs, rng.random(9) < 0.5


@pytest.mark.parametrize(
    ("algorithm", "settings"),
    [
        (
            FastPPO,
            {
                "gen": {
                    "policy_kwargs": {
                        "net_arch": [24],
                        "activation_fn": th.nn.ELU,
                        "features_extractor_class": NormalizedFeatures,
                    }
                },
                "net": {"reward_hid_sizes": (16, 8), "normalize_input_layer": RunningNorm},
            },
        ),
        (SAC, {"gen": {"policy_kwargs": {"net_arch": [8]}}, "trainer": GAIL}),
        (
            FastPPO,
            {
                "reward_net": ShapedRewardEnsemble(
                    *SPACES, n_members=2, normalize_input_layer=partial(EMANorm, decay=0.9)
                )
            },
        ),
    ],
    ids=["shaped", "gail", "ensemble"],
)
def test_reward_and_policy_come_back(make_trainer, tmp_path, algorithm, settings) -> None:
    game = make_trainer(algorithm, **settings)
    game.train(80)
    game.save(tmp_path / "saved")
    run = airl_cli.load_run(tmp_path / "saved")
    batch = transitions()
    for found, expected in (
        (airl_cli.load_reward(tmp_path / "saved", bounded=False), game.reward_test),
        (run.reward_test, game.reward_test),
        (run.reward_train, game.reward_train),
    ):
        np.testing.assert_allclose(found.predict(*batch), expected.predict(*batch), atol=1e-6)
    acts, _ = run.policy.predict(batch[0], deterministic=True)
    np.testing.assert_array_equal(acts, game.policy.predict(batch[0], deterministic=True)[0])


def test_a_saved_reward_is_relative_to_the_absorbing_state(make_trainer, tmp_path) -> None:
    game = make_trainer(env={"terminal_at": 0.8}, absorbing=True)
    game.train(160)
    assert game.absorbing_state.c != 0
    game.save(tmp_path / "saved")
    reward = airl_cli.load_reward(tmp_path / "saved", bounded=False)
    batch = transitions()
    expected = game.reward_test.predict(*batch) - game.absorbing_state.c
    np.testing.assert_allclose(reward.predict(*batch), expected, atol=1e-5)


def test_a_loaded_reward_stays_within_the_range_in_which_it_was_learned(
    make_trainer, tmp_path
) -> None:
    game = make_trainer()
    assert game.reward_range() is None
    game.train(160)
    low, high = game.reward_range()
    known = game.gen_replay_buffer.some(8192)
    values = game.reward_test.predict(*known.arrays())
    assert low < values.min() and np.mean(values > high) < 0.05
    game.save(tmp_path / "saved")
    batch = [1000 * part for part in transitions()[:3]]
    plain = game.reward_test.predict(*batch, np.zeros(len(batch[0])))
    assert np.any(plain > high) or np.any(plain < low)
    found = airl_cli.load_reward(tmp_path / "saved").predict(*batch, np.zeros(len(batch[0])))
    np.testing.assert_allclose(found, np.clip(plain, low, high), rtol=1e-5)


@pytest.mark.parametrize("known", [None, "x", [1], [2, 1], [0, "a"], [True, 2], [0, 1e400]])
def test_a_received_range_that_is_none_is_not_used(make_trainer, tmp_path, known) -> None:
    game = make_trainer()
    game.train(80)
    game.save(tmp_path / "saved")
    (tmp_path / "saved" / "result.json").write_text(json.dumps({"reward_range": known}))
    found = airl_cli.load_reward(tmp_path / "saved").predict(*transitions())
    np.testing.assert_allclose(found, game.reward_test.predict(*transitions()), rtol=1e-5)


def test_measuring_the_range_moves_no_random_stream(make_trainer) -> None:
    game = make_trainer()
    game.train(80)
    before = game.rng.bit_generator.state
    game.reward_range()
    assert game.rng.bit_generator.state == before


def test_what_is_there_already_is_not_overwritten(make_trainer, tmp_path) -> None:
    with pytest.raises(InvalidValueError, match="exists already"):
        make_trainer().save(tmp_path)
    assert list(tmp_path.iterdir()) == []


class Own(BasicRewardNet):
    pass


@pytest.mark.parametrize(
    "reward_net",
    [
        lambda: Own(*SPACES),
        lambda: ShapedRewardNet(BasicRewardNet(*SPACES), lambda state: state[:, 0], 0.9),
        lambda: BasicRewardNet(*SPACES, normalize_input_layer=lambda size: RunningNorm(size)),
    ],
    ids=["own class", "composed", "own function"],
)
def test_what_only_code_can_describe_is_refused(make_trainer, tmp_path, reward_net) -> None:
    game = make_trainer(reward_net=reward_net())
    with pytest.raises(InvalidValueError, match="cannot be described"):
        game.save(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def test_a_policy_class_of_this_package_is_described_by_name(make_trainer, tmp_path) -> None:
    game = make_trainer()
    game.gen_algo = type(game.gen_algo)(
        FeedForward32Policy, game.venv, n_steps=20, batch_size=40, device="cpu"
    )
    game.save(tmp_path / "saved")
    obs = transitions()[0]
    policy = airl_cli.load_run(tmp_path / "saved").policy
    expected, _ = game.policy.predict(obs, deterministic=True)
    np.testing.assert_array_equal(policy.predict(obs, deterministic=True)[0], expected)
