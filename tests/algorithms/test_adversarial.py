import copy
import math
from typing import Any

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from sb3_contrib import TQC, TRPO, CrossQ
from stable_baselines3 import A2C, DQN, PPO, SAC, TD3
from stable_baselines3.common.logger import KVWriter, Logger
from stable_baselines3.common.utils import LinearSchedule

from airl_cli import AIRL, GAIL
from airl_cli.algorithms.adversarial import AdversarialTrainer
from airl_cli.algorithms.batch import TransitionBatch
from airl_cli.algorithms.recording import LearnedRewardVecEnv
from airl_cli.algorithms.schedule import Late
from airl_cli.errors import InvalidTypeError, InvalidValueError, NonFiniteError
from airl_cli.rewards import (
    BasicRewardNet,
    BasicShapedRewardNet,
    NormalizedRewardNet,
    RunningNorm,
    ShapedRewardNet,
)
from support.discriminators import FLOATS, same, weights
from support.line import Line, line_demonstrations, line_venv

OFF_POLICY = (SAC, TQC, CrossQ)


# -- rounds ------------------------------------------------------------------------------------


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
    assert "_update_current_progress_remaining" not in vars(game.gen_algo)


def test_the_discriminators_rates_follow_their_schedule(make_trainer) -> None:
    game = make_trainer(
        disc_opt_kwargs={"lr": 1e-2},
        base_opt_kwargs={"lr": 1e-3},
        disc_lr_schedule=Late(after=0.5, end=0.2),
    )
    rates: list[list[float]] = []
    game.train(4 * 80, lambda _: rates.append([g["lr"] for g in game.disc_opt.param_groups]))
    factors = [1.0, 1.0, 0.6, 0.2]
    assert [base for base, _ in rates] == pytest.approx([1e-3 * f for f in factors])
    assert [rest for _, rest in rates] == pytest.approx([1e-2 * f for f in factors])


def test_same_seed_same_weights(make_trainer) -> None:
    runs = []
    for _ in range(2):
        game = make_trainer()
        game.train(160)
        runs.append({**weights(game.policy), **weights(game.reward_net)})
    assert same(*runs)


# -- the generator's reward --------------------------------------------------------------------


def flat_rollout(game: AdversarialTrainer) -> TransitionBatch:
    return TransitionBatch(*(x[: game.gen_train_timesteps] for x in game.gen_replay_buffer._stored))


@pytest.mark.parametrize("discrete", [True, False])
@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
def test_generator_maximises_reward_minus_weighted_log_pi(make_trainer, weight, discrete) -> None:
    game = make_trainer(log_prob_weight=weight, env={"discrete": discrete}, gen={"n_epochs": 1})
    game.train_gen()
    batch = flat_rollout(game)
    plain = game.reward_train.predict(*(x.numpy() for x in batch))
    expected = plain - weight * game.log_prob(batch).numpy()
    np.testing.assert_allclose(
        game.generator_reward(batch, np.zeros(len(batch))), expected, rtol=1e-5
    )
    assert (weight == 0.0) == np.allclose(game.generator_reward(batch, np.zeros(len(batch))), plain)


@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize("trainer", [AIRL, GAIL])
def test_a_rollout_is_priced_once_for_the_log_and_the_generator(
    make_trainer, trainer, before
) -> None:
    game = make_trainer(
        trainer=trainer, n_disc_updates_before_pricing=before, n_disc_updates_per_round=1
    )
    priced: list[np.ndarray] = []
    predict = game.reward_train.predict

    def count(*transition: np.ndarray) -> np.ndarray:
        priced.append(predict(*transition))
        return priced[-1]

    game.reward_train.predict = count
    game.train(80)
    assert [len(rewards) for rewards in priced] == [80]
    episodes = priced[0].reshape(2, 10, 4).sum(axis=1)
    assert game.stats["learned_return_mean"] == pytest.approx(episodes.mean(), rel=1e-4)


def test_a_reward_whose_output_is_normalised_is_paid_normalised(make_trainer) -> None:
    line = Line()
    base = BasicRewardNet(line.observation_space, line.action_space)
    net = NormalizedRewardNet(base, RunningNorm)
    game = make_trainer(reward_net=net, log_prob_weight=0.0, n_disc_updates_per_round=0)
    for _ in range(4):
        game.train_gen()
    batch = flat_rollout(game)
    learned = game.learned_reward(batch, np.zeros(80))
    expected = net.predict_processed(*(x.numpy() for x in batch), update_stats=False)
    paid = game.generator_reward(batch, np.zeros(80), learned)
    np.testing.assert_allclose(paid, expected)
    assert not np.allclose(paid, learned, atol=0.05)


@pytest.mark.parametrize("terminal_at", [np.inf, 1.0])
def test_pricing_a_rollout_at_once_equals_pricing_step_by_step(make_trainer, terminal_at) -> None:
    """The batched path against `venv_train.step`, which pays each step as it is made."""
    game = make_trainer(
        env={"terminal_at": terminal_at}, allow_variable_horizon=True, gen={"learning_rate": 0.0}
    )
    paid: list[np.ndarray] = []
    env = game.venv_train
    assert isinstance(env, LearnedRewardVecEnv)
    step_wait = env.step_wait

    def watch() -> Any:
        env.deferred = False
        outcome = step_wait()
        env.deferred = True
        paid.append(outcome[1].copy())
        return outcome[0], np.zeros_like(outcome[1]), *outcome[2:]

    env.step_wait = watch  # type: ignore[method-assign]
    priced: list[np.ndarray] = []
    buffer = game.gen_algo.rollout_buffer
    compute = buffer.compute_returns_and_advantage

    def compute_and_look(last_values: th.Tensor, dones: np.ndarray) -> None:
        bootstrap = buffer.rewards.copy()
        compute(last_values=last_values, dones=dones)
        priced.append(buffer.rewards - bootstrap)

    buffer.compute_returns_and_advantage = compute_and_look
    game.train_gen()
    np.testing.assert_allclose(priced[0], np.stack(paid), atol=1e-5)


def test_the_bootstrap_of_truncated_episodes_is_kept(make_trainer) -> None:
    game = make_trainer(log_prob_weight=0.0, reward_net=ZeroReward())
    buffer = game.gen_algo.rollout_buffer
    seen: list[np.ndarray] = []
    compute = buffer.compute_returns_and_advantage

    def look(last_values: th.Tensor, dones: np.ndarray) -> None:
        compute(last_values=last_values, dones=dones)
        seen.append(buffer.rewards.copy())

    buffer.compute_returns_and_advantage = look
    game.train_gen()
    truncated = np.zeros((20, 4), dtype=bool)
    truncated[9::10] = True
    assert (seen[0][~truncated] == 0).all()
    assert (seen[0][truncated] != 0).all()


class ZeroReward(BasicRewardNet):
    """Pays nothing, but has something to train."""

    def __init__(self) -> None:
        env = Line()
        super().__init__(env.observation_space, env.action_space)

    def forward(self, *transition: th.Tensor) -> th.Tensor:
        return 0.0 * super().forward(*transition)


def test_log_prob_is_of_the_policy_that_acted(make_trainer) -> None:
    """At pricing time the policy has not been updated since it sampled."""
    game = make_trainer(env={"discrete": True})
    buffer = game.gen_algo.rollout_buffer
    stored: list[np.ndarray] = []
    compute = buffer.compute_returns_and_advantage

    def look(last_values: th.Tensor, dones: np.ndarray) -> None:
        compute(last_values=last_values, dones=dones)
        stored.append(buffer.log_probs.copy())
        stored.append(game.log_prob(flat_rollout(game)).numpy().reshape(20, 4))

    buffer.compute_returns_and_advantage = look
    game.train_gen()
    np.testing.assert_allclose(stored[1], stored[0], atol=1e-5)


def test_deviation_of_a_clipped_gaussian_does_not_run_away(make_trainer) -> None:
    """Paid for entropy alone: the plain Gaussian's own density would pay any deviation."""
    game = make_trainer(
        gen={"n_steps": 50, "n_epochs": 10, "learning_rate": 3e-2, "batch_size": 100},
        reward_net=ZeroReward(),
        n_disc_updates_per_round=0,
    )
    game.train(200 * 15)
    assert 0.3 < game.policy.log_std.exp().item() < 2.5


@pytest.mark.parametrize("algorithm", OFF_POLICY)
def test_off_policy_generators_are_paid_the_plain_reward_at_sampling_time(
    make_trainer, algorithm
) -> None:
    game = make_trainer(algorithm, gen={"learning_starts": 100, "buffer_size": 100})
    game.train_gen(40)
    samples = game.gen_algo.replay_buffer.sample(16)
    expected = game.reward_train.predict_th(
        samples.observations, samples.actions, samples.next_observations, samples.dones.flatten()
    )
    th.testing.assert_close(samples.rewards.flatten(), expected)
    with th.no_grad():
        for parameter in game.reward_net.parameters():
            parameter.add_(0.5)
    changed = game.gen_algo.replay_buffer.sample(16)
    stale = BasicShapedRewardNet(game.venv.observation_space, game.venv.action_space)
    stale.load_state_dict(game.reward_net.state_dict())
    expected = stale.predict_th(
        changed.observations, changed.actions, changed.next_observations, changed.dones.flatten()
    )
    th.testing.assert_close(changed.rewards.flatten(), expected)


def test_the_discriminator_of_an_off_policy_generator_sees_its_newest_transitions(
    make_trainer,
) -> None:
    game = make_trainer(SAC, gen={"learning_starts": 1000, "buffer_size": 1000})
    game.train(10 * 4)
    assert len(game.gen_replay_buffer) == 32  # a batch of the newest 40
    buffer = game.gen_algo.replay_buffer
    newest = {tuple(row) for row in buffer.observations[2:10].reshape(-1, 2).tolist()}
    seen = game.gen_replay_buffer.sample(32).obs.tolist()
    assert {tuple(row) for row in seen} == newest
    few = make_trainer(SAC, gen={"buffer_size": 1000}, gen_replay_buffer_capacity=8)
    few.train(10 * 4)
    assert len(few.gen_replay_buffer) == 8


def test_off_policy_pricing_unscales_actions() -> None:
    class Wide(Line):
        def __init__(self) -> None:
            super().__init__()
            self.action_space = spaces.Box(-3.0, 5.0, (1,), np.float32)

    from stable_baselines3.common.vec_env import DummyVecEnv

    venv = DummyVecEnv([Wide])
    net = BasicRewardNet(venv.observation_space, venv.action_space, use_state=False, hid_sizes=())
    with th.no_grad():
        net.mlp[0].weight.fill_(1.0)
        net.mlp[0].bias.zero_()
    game = AIRL(
        demonstrations=line_demonstrations(),
        demo_batch_size=8,
        venv=venv,
        gen_algo=SAC("MlpPolicy", venv, device="cpu", seed=0, buffer_size=50),
        reward_net=net,
    )
    game.train_gen(30)
    samples = game.gen_algo.replay_buffer.sample(20)
    th.testing.assert_close(samples.rewards, -3.0 + 4.0 * (samples.actions + 1))


def test_scaling_divides_the_whole_generator_reward(make_trainer) -> None:
    game = make_trainer(normalize_gen_reward=True)
    rewards = np.random.default_rng(0).normal(3.0, 5.0, (50, 4)).astype(np.float32)
    scaled = game.generator.scale(rewards)
    np.testing.assert_allclose(scaled * game.generator.scale.scale, rewards, rtol=1e-5)
    assert scaled.std() == pytest.approx(1.0, rel=1e-5)
    assert game.generator.scale.scale == pytest.approx(rewards.std(), rel=1e-5)


def test_updates_before_pricing_see_the_new_rollout_and_change_its_price(make_trainer) -> None:
    game = make_trainer(n_disc_updates_before_pricing=1, n_disc_updates_per_round=0)
    sizes: list[int] = []
    train_disc = game.train_disc
    game.train_disc = lambda **kw: sizes.append(len(game.gen_replay_buffer)) or train_disc(**kw)  # type: ignore[method-assign,func-returns-value]
    before = weights(game.reward_net)
    game.train_gen()
    assert sizes == [80]
    assert not same(before, weights(game.reward_net))


# -- the discriminator -------------------------------------------------------------------------


def test_discriminator_logit_is_reward_minus_log_pi(make_trainer) -> None:
    game = make_trainer()
    transition = game.reward_net.preprocess(*game._demonstrations.sample(5))
    log_prob = th.randn(5)
    expected = game.reward_net(*transition) - log_prob
    th.testing.assert_close(game.logits_expert_is_high(*transition, log_prob), expected)
    with pytest.raises(TypeError, match="log_policy_act_prob"):
        game.logits_expert_is_high(*transition)


def test_an_update_lowers_the_loss_on_its_own_batch(make_trainer) -> None:
    game = make_trainer(disc_opt_kwargs={"lr": 1e-2})
    game.train_gen()
    expert = game._demonstrations.sample(32)._asdict()
    generated = game.gen_replay_buffer.sample(32)._asdict()
    losses = [
        game.train_disc(expert_samples=expert, gen_samples=generated)["disc_loss"]
        for _ in range(20)
    ]
    assert losses[-1] < losses[0]


def test_given_samples_are_used_and_extra_keys_ignored(make_trainer) -> None:
    game = make_trainer()
    given = {**game._demonstrations.sample(32)._asdict(), "infos": np.array([{}] * 32)}
    stats = game.train_disc(expert_samples=given, gen_samples=given)
    assert stats["disc_acc"] == pytest.approx(0.5)
    assert all(isinstance(stats[name], float) for name in FLOATS)


@pytest.mark.parametrize("which", ["expert_samples", "gen_samples"])
def test_a_wrong_number_of_samples_is_refused(make_trainer, which) -> None:
    game = make_trainer()
    game.train_gen()
    with pytest.raises(ValueError, match="demo_batch_size=32"):
        game.train_disc(**{which: game._demonstrations.sample(31)._asdict()})


def test_a_discriminator_without_generator_samples_says_what_to_call(make_trainer) -> None:
    with pytest.raises(RuntimeError, match=r"train_gen\(\)"):
        make_trainer().train_disc()


def test_adding_a_potential_leaves_the_test_reward_as_it_is(make_trainer) -> None:
    env = Line()
    base = BasicRewardNet(env.observation_space, env.action_space)
    plain = make_trainer(reward_net=base)
    shaped = make_trainer(reward_net=ShapedRewardNet(base, lambda s: s.sum(1), 0.9))
    assert plain.reward_test is base and shaped.reward_test is base
    assert shaped.reward_train is not base


def test_gail_pays_minus_log_of_one_minus_d(make_trainer) -> None:
    game = make_trainer(trainer=GAIL)
    batch = game._demonstrations.sample(8)
    transition = game.reward_net.preprocess(*batch)
    with th.no_grad():
        d = th.sigmoid(game.logits_expert_is_high(*transition))
        th.testing.assert_close(game.reward_train(*transition), -th.log(1 - d))
    assert game.reward_test is game.reward_train


# -- environment and members -------------------------------------------------------------------


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


def test_demonstrations_can_be_replaced(make_trainer) -> None:
    game = make_trainer()
    game.set_demonstrations(line_demonstrations(20))
    game.train(80)
    with pytest.raises(InvalidValueError, match="shape"):
        game.set_demonstrations(
            {
                "obs": np.zeros((40, 3)),
                "acts": np.zeros((40, 1)),
                "next_obs": np.zeros((40, 3)),
                "dones": np.zeros(40),
            }
        )


def test_tensorboard_summaries_and_graph_are_written(make_trainer, tmp_path) -> None:
    make_trainer(init_tensorboard=True, init_tensorboard_graph=True).train(80)
    assert list(tmp_path.rglob("events.out.tfevents.*"))


def test_a_logger_set_later_reaches_the_generator(make_trainer, tmp_path) -> None:
    game = make_trainer()
    game.logger = Logger(str(tmp_path), [])
    assert game.gen_algo.logger is game.logger


# -- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", [TD3, DQN])
def test_generators_without_log_probabilities_are_refused(make_trainer, algorithm) -> None:
    with pytest.raises(TypeError, match=algorithm.__name__):
        make_trainer(algorithm, env={"discrete": algorithm is DQN}, gen={"buffer_size": 10})


def test_n_step_replay_is_refused(make_trainer) -> None:
    with pytest.raises(InvalidTypeError, match="n_steps=1"):
        make_trainer(SAC, gen={"n_steps": 3, "buffer_size": 10})


def test_off_policy_needs_updates_after_the_generator(make_trainer) -> None:
    with pytest.raises(InvalidValueError, match="n_disc_updates_per_round"):
        make_trainer(SAC, gen={"buffer_size": 10}, n_disc_updates_per_round=0)


@pytest.mark.parametrize("size", [0, 3, 64])
def test_a_minibatch_that_does_not_divide_is_refused(make_trainer, size) -> None:
    with pytest.raises(ValueError, match=f"demo_minibatch_size={size}"):
        make_trainer(demo_minibatch_size=size)


def test_an_empty_batch_is_refused(make_trainer) -> None:
    with pytest.raises(InvalidValueError, match="demo_batch_size=0"):
        make_trainer(demo_batch_size=0)


def test_a_reward_net_for_other_spaces_is_refused(make_trainer) -> None:
    other = spaces.Box(-1.0, 1.0, (7,), np.float32)
    with pytest.raises(InvalidValueError, match="observation_space"):
        make_trainer(reward_net=BasicRewardNet(other, Line().action_space))


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
            game.generator._rollout_reward = lambda _, batch: np.full(len(batch), np.nan)
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
    with pytest.raises(NonFiniteError, match="observation"):
        make_trainer(venv=venv).train(80)
