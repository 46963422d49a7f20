import copy
import math
from typing import Any

import numpy as np
import pytest
from sb3_contrib import TQC, TRPO, CrossQ
from stable_baselines3 import A2C, PPO, SAC
from stable_baselines3.common.logger import KVWriter, Logger
from stable_baselines3.common.utils import LinearSchedule

from airl_cli import AIRL, GAIL
from airl_cli.errors import InvalidValueError, NonFiniteEnvironmentError, NonFiniteError
from airl_cli.rewards import BasicRewardNet
from support.discriminators import FLOATS, same, weights
from support.line import line_demonstrations, line_venv

OFF_POLICY = (SAC, TQC, CrossQ)


@pytest.mark.parametrize("algorithm", [PPO, A2C, TRPO, SAC, TQC, CrossQ])
@pytest.mark.parametrize("trainer", [AIRL, GAIL])
def test_every_generator_trains_with_every_algorithm(make_trainer, algorithm, trainer) -> None:
    gen: dict[str, Any] = {"batch_size": 40} if algorithm is TRPO else {}
    if algorithm is TRPO:
        gen["n_steps"] = 20
    if algorithm in OFF_POLICY:
        nets = {"policy_kwargs": {"net_arch": [16]}}
        gen = {"learning_starts": 8, "buffer_size": 500, "batch_size": 16, **nets}
    game = make_trainer(algorithm, trainer=trainer, gen=gen)
    before = weights(game.policy), weights(game.reward_net)
    seen: list[int] = []
    game.train(40 if algorithm in OFF_POLICY else 2 * game.gen_train_timesteps, seen.append)
    assert seen == list(range(len(seen))) and len(seen) >= 2
    assert not same(before[0], weights(game.policy))
    assert not same(before[1], weights(game.reward_net))


def test_rounds_stop_before_they_would_pass_the_total(make_trainer) -> None:
    game = make_trainer()
    assert game.gen_train_timesteps == 4 * 20
    seen: list[int] = []
    game.train(3 * 80 - 1, seen.append)
    assert seen == [0, 1]
    assert game.gen_algo.num_timesteps == 160


def test_too_few_steps_for_one_round_says_how_many_are_needed(make_trainer) -> None:
    with pytest.raises(ValueError, match="at least 80"):
        make_trainer().train(79)


def test_off_policy_rounds_are_one_step_of_every_environment(make_trainer) -> None:
    assert make_trainer(SAC, gen={"buffer_size": 100}).gen_train_timesteps == 4


def test_each_round_updates_the_discriminator_as_often_as_asked(make_trainer) -> None:
    game = make_trainer(n_disc_updates_per_round=3, n_disc_updates_before_pricing=2)
    game.train(160)
    assert game.n_disc_updates == 2 * (3 + 2)


def test_stats_tell_the_true_return_of_the_finished_episodes(make_trainer) -> None:
    venv = line_venv()
    game = make_trainer(venv=venv)
    returns: list[float] = []
    step_wait = venv.step_wait
    running = np.zeros(4)

    def watch() -> Any:
        nonlocal running
        obs, rewards, dones, infos = step_wait()
        running = running + rewards
        returns.extend(running[dones])
        running = np.where(dones, 0.0, running)
        return obs, rewards, dones, infos

    venv.step_wait = watch  # type: ignore[method-assign]
    game.train(80)
    assert game.stats["true_return_mean"] == pytest.approx(np.mean(returns), rel=1e-5)
    assert game.stats["env_steps"] == 80 and game.stats["round"] == 0
    assert set(game.stats) >= FLOATS


def test_everything_is_logged_once_a_round(make_trainer, tmp_path) -> None:
    written: list[tuple[set[str], int]] = []

    class Writer(KVWriter):
        def write(self, key_values, key_excluded, step=0) -> None:
            written.append((set(key_values), step))

        def close(self) -> None: ...

    game = make_trainer(custom_logger=Logger(str(tmp_path), [Writer()]))
    game.train(160)
    assert [step for _, step in written] == [80, 160]
    expected = {"disc/disc_loss", "rollout/true_return_mean", "rollout/learned_return_mean"}
    assert expected | {"train/loss", "time/steps_per_second"} <= written[1][0]
    assert game.gen_algo.logger is game.logger


def test_linear_schedules_run_over_the_whole_training(make_trainer) -> None:
    game = make_trainer(gen={"learning_rate": LinearSchedule(1e-3, 0.0, 1.0)})
    rates: list[float] = []
    game.train(4 * 80, lambda _: rates.append(game.policy.optimizer.param_groups[0]["lr"]))
    assert rates == pytest.approx([0.75e-3, 0.5e-3, 0.25e-3, 0.0])


def test_same_seed_same_weights(make_trainer) -> None:
    runs = []
    for _ in range(2):
        game = make_trainer()
        game.train(160)
        runs.append({**weights(game.policy), **weights(game.reward_net)})
    assert same(*runs)


# -- members ----------------------------------------------------------------------------------


def test_ground_truth_trains_on_the_environment_itself(make_trainer) -> None:
    game = make_trainer(debug_use_ground_truth=True)
    assert game.venv_train is game.venv
    game.train(160)
    assert game.gen_algo.rollout_buffer.rewards.max() <= 1.0
    assert game.stats["disc_loss"] > 0


def test_a_second_trainer_takes_the_generator_over(make_trainer) -> None:
    first = make_trainer()
    first.train(80)
    second = GAIL(
        demonstrations=line_demonstrations(),
        demo_batch_size=8,
        venv=first.venv,
        gen_algo=first.gen_algo,
        reward_net=BasicRewardNet(first.venv.observation_space, first.venv.action_space),
    )
    before = weights(first.reward_net)
    second.train(80)
    assert same(before, weights(first.reward_net))
    assert first.n_disc_updates == 2 and second.n_disc_updates == 2


def test_venv_train_pays_the_learned_reward_to_whoever_steps_it(make_trainer) -> None:
    game = make_trainer(log_prob_weight=0.0)
    obs = game.venv_train.reset()
    acts = np.full((4, 1), 0.3, dtype=np.float32)
    next_obs, rewards, dones, _ = game.venv_train.step(acts)
    expected = game.reward_train.predict(obs, acts, next_obs, dones)
    np.testing.assert_allclose(rewards, expected, rtol=1e-6)


def test_a_logger_set_later_reaches_the_generator(make_trainer, tmp_path) -> None:
    game = make_trainer()
    game.logger = Logger(str(tmp_path), [])
    assert game.gen_algo.logger is game.logger


# -- what stops a training --------------------------------------------------------------------


def test_episodes_of_different_length_are_refused_unless_allowed(make_trainer) -> None:
    env = {"terminal_at": 0.8}
    with pytest.raises(InvalidValueError, match="allow_variable_horizon"):
        make_trainer(env=env).train(160)
    make_trainer(env=env, allow_variable_horizon=True).train(160)


@pytest.mark.parametrize("quantity", ["learned reward", "discriminator loss", "generator weight"])
def test_nan_stops_with_round_and_quantity_and_keeps_the_last_good_weights(
    make_trainer, quantity
) -> None:
    game = make_trainer()
    game.train(80)
    good = copy.deepcopy((weights(game.policy), weights(game.reward_net)))

    def poison(number: int) -> None:
        good[0].update(weights(game.policy))
        good[1].update(weights(game.reward_net))
        if quantity == "learned reward":
            game.generator_reward = lambda batch, *_: np.full(len(batch), np.nan)  # type: ignore[method-assign]
        elif quantity == "discriminator loss":
            game.logits_expert_is_high = lambda *_: game.reward_net(*_[:4]) * math.nan  # type: ignore[method-assign]
        else:
            game.gen_algo.train = lambda: [p.data.fill_(math.inf) for p in game.policy.parameters()]  # type: ignore[method-assign]

    with pytest.raises(NonFiniteError, match=f"round 1: .*{quantity}"):
        game.train(160, poison)
    assert same(good[0], weights(game.policy)) and same(good[1], weights(game.reward_net))


def test_a_step_to_nan_at_the_end_of_a_round_is_noticed_in_that_round(make_trainer) -> None:
    """The loss before it was finite; later, the weights to go back to would be NaN already."""
    game = make_trainer(n_disc_updates_per_round=1)
    good = weights(game.reward_net)
    for parameter in game.reward_net.parameters():
        parameter.register_hook(lambda gradient: gradient * math.nan)
    with pytest.raises(NonFiniteError, match="round 0: .*discriminator weight"):
        game.train(160)
    assert same(good, weights(game.reward_net))


def test_nan_observations_are_blamed_on_the_environment(make_trainer) -> None:
    venv = line_venv()
    venv.envs[0].unwrapped._obs = lambda: np.array([np.nan, 0.0], dtype=np.float32)
    with pytest.raises(NonFiniteEnvironmentError, match="observation"):
        make_trainer(venv=venv).train(80)
