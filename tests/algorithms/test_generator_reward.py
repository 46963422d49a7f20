from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from sb3_contrib import TQC, CrossQ
from stable_baselines3 import SAC

from airl_cli import AIRL, GAIL
from airl_cli.algorithms.adversarial import AdversarialTrainer
from airl_cli.algorithms.batch import TransitionBatch
from airl_cli.algorithms.relabel import RelabelledVecEnv
from airl_cli.errors import InvalidValueError
from airl_cli.rewards import (
    BasicRewardNet,
    BasicShapedRewardNet,
    NormalizedRewardNet,
    RewardEnsemble,
    RunningNorm,
)
from support.discriminators import same, weights
from support.line import Line, line_demonstrations

OFF_POLICY = (SAC, TQC, CrossQ)


def flat_rollout(game: AdversarialTrainer) -> TransitionBatch:
    return TransitionBatch(*(x[: game.gen_train_timesteps] for x in game.gen_replay_buffer._stored))


@pytest.mark.parametrize("discrete", [True, False])
@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
def test_generator_maximises_reward_minus_weighted_log_pi(make_trainer, weight, discrete) -> None:
    game = make_trainer(log_prob_weight=weight, env={"discrete": discrete}, gen={"n_epochs": 1})
    game.train_gen()
    batch = flat_rollout(game)
    plain = game.reward_train.predict(*(x.numpy() for x in batch))
    expected = plain - weight * game.policy_log_prob(batch).numpy()
    np.testing.assert_allclose(
        game.generator_reward(batch, np.zeros(len(batch))), expected, rtol=1e-5
    )
    assert (weight == 0.0) == np.allclose(game.generator_reward(batch, np.zeros(len(batch))), plain)


@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize("trainer", [AIRL, GAIL])
def test_a_rollout_is_evaluated_once_for_the_log_and_the_generator(
    make_trainer, trainer, before
) -> None:
    game = make_trainer(
        trainer=trainer, n_disc_updates_before_pricing=before, n_disc_updates_per_round=1
    )
    evaluated: list[np.ndarray] = []
    predict = game.reward_train.predict

    def count(*transition: np.ndarray) -> np.ndarray:
        evaluated.append(predict(*transition))
        return evaluated[-1]

    game.reward_train.predict = count
    game.train(80)
    assert [len(rewards) for rewards in evaluated] == [80]
    episodes = evaluated[0].reshape(2, 10, 4).sum(axis=1)
    assert game.stats["learned_return_mean"] == pytest.approx(episodes.mean(), rel=1e-4)


def test_a_reward_whose_output_is_normalised_reaches_the_generator_normalised(make_trainer) -> None:
    line = Line()
    base = BasicRewardNet(line.observation_space, line.action_space)
    net = NormalizedRewardNet(base, RunningNorm)
    game = make_trainer(reward_net=net, log_prob_weight=0.0, n_disc_updates_per_round=0)
    for _ in range(4):
        game.train_gen()
    batch = flat_rollout(game)
    learned = game.learned_reward(batch, np.zeros(80))
    expected = net.predict_processed(*(x.numpy() for x in batch), update_stats=False)
    rewards = game.generator_reward(batch, np.zeros(80), learned)
    np.testing.assert_allclose(rewards, expected)
    assert not np.allclose(rewards, learned, atol=0.05)


def test_a_normalised_reward_keeps_its_scale_beside_log_pi(make_trainer) -> None:
    """`f - log pi` is divided as a whole: another scale of f alone would be another game."""
    line = Line()
    base = BasicRewardNet(line.observation_space, line.action_space)
    with th.no_grad():
        base.mlp.dense_final.weight *= 100
    net = NormalizedRewardNet(base, RunningNorm)
    game = make_trainer(reward_net=net, n_disc_updates_per_round=0)
    for _ in range(3):
        game.train_gen()
    batch = flat_rollout(game)
    layer = net.normalize_output_layer
    scale = float(th.sqrt(layer.running_var + layer.eps))
    assert abs(scale - 1) > 0.5
    logits = base.predict(*batch.arrays()) - game.policy_log_prob(batch).numpy()
    rewards = game.generator_reward(batch, np.zeros(80))
    np.testing.assert_allclose(rewards, logits / scale, atol=1e-4)


def test_normalised_rewards_of_an_off_policy_generator_are_refused(make_trainer) -> None:
    line = Line()
    spaces = line.observation_space, line.action_space
    net = NormalizedRewardNet(BasicRewardNet(*spaces), RunningNorm)
    with pytest.raises(InvalidValueError, match="NormalizedRewardNet changes the task of SAC"):
        make_trainer(SAC, reward_net=net)
    make_trainer(SAC, reward_net=net, log_prob_weight=0.0)
    members = [NormalizedRewardNet(BasicRewardNet(*spaces), RunningNorm) for _ in range(2)]
    with pytest.raises(InvalidValueError, match="each on a scale of its own"):
        make_trainer(reward_net=RewardEnsemble(*spaces, members))


@pytest.mark.parametrize("terminal_at", [np.inf, 1.0])
def test_relabelling_a_rollout_at_once_equals_relabelling_step_by_step(
    make_trainer, terminal_at
) -> None:
    """The batched path against `venv_train.step`, which relabels each step as it is made."""
    game = make_trainer(
        env={"terminal_at": terminal_at}, allow_variable_horizon=True, gen={"learning_rate": 0.0}
    )
    by_step: list[np.ndarray] = []
    truncated: list[list[bool]] = []
    env = game.venv_train
    assert isinstance(env, RelabelledVecEnv)
    step_wait = env.step_wait

    def watch() -> Any:
        env.deferred = False
        outcome = step_wait()
        env.deferred = True
        by_step.append(outcome[1].copy())
        truncated.append([info.get("TimeLimit.truncated", False) for info in outcome[3]])
        return outcome[0], np.zeros_like(outcome[1]), *outcome[2:]

    env.step_wait = watch  # type: ignore[method-assign]
    game.train_gen()
    kept = ~np.array(truncated)  # the others hold a bootstrap as well
    relabelled = game.gen_algo.rollout_buffer.rewards
    assert 0 < kept.mean() < 1
    np.testing.assert_allclose(relabelled[kept], np.stack(by_step)[kept], atol=1e-5)


def when_relabelled(game: Any, look: Callable[[], None]) -> None:
    """Calls `look` after each rollout is relabelled, before the policy is updated."""
    relabel = game.relabel

    def relabel_and_look(*rollout: Any) -> None:
        relabel(*rollout)
        look()

    game.relabel = relabel_and_look


def test_the_bootstrap_of_truncated_episodes_is_kept(make_trainer) -> None:
    game = make_trainer(log_prob_weight=0.0, reward_net=ZeroReward())
    buffer = game.gen_algo.rollout_buffer
    seen: list[np.ndarray] = []
    when_relabelled(game, lambda: seen.append(buffer.rewards.copy()))
    game.train_gen()
    truncated = np.zeros((20, 4), dtype=bool)
    truncated[9::10] = True
    assert (seen[0][~truncated] == 0).all()
    assert (seen[0][truncated] != 0).all()


class ZeroReward(BasicRewardNet):
    """Zero everywhere, but has something to train."""

    def __init__(self) -> None:
        env = Line()
        super().__init__(env.observation_space, env.action_space)

    def forward(self, *transition: th.Tensor) -> th.Tensor:
        return 0.0 * super().forward(*transition)


def test_log_prob_is_of_the_policy_that_acted(make_trainer) -> None:
    """When it is relabelled, the policy has not been updated since it sampled."""
    game = make_trainer(env={"discrete": True})
    buffer = game.gen_algo.rollout_buffer
    stored: list[np.ndarray] = []

    def look() -> None:
        stored.append(buffer.log_probs.copy())
        stored.append(game.policy_log_prob(flat_rollout(game)).numpy().reshape(20, 4))

    when_relabelled(game, look)
    game.train_gen()
    np.testing.assert_allclose(stored[1], stored[0], atol=1e-5)


def test_deviation_of_a_clipped_gaussian_does_not_run_away(make_trainer) -> None:
    """Entropy is the only reward: the plain Gaussian's density would reward any deviation."""
    game = make_trainer(
        gen={"n_steps": 50, "n_epochs": 10, "learning_rate": 3e-2, "batch_size": 100},
        reward_net=ZeroReward(),
        n_disc_updates_per_round=0,
    )
    game.train(200 * 15)
    assert 0.3 < game.policy.log_std.exp().item() < 2.5


@pytest.mark.parametrize("algorithm", OFF_POLICY)
def test_off_policy_generators_get_the_plain_reward_at_sampling_time(
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


def test_off_policy_relabelling_unscales_actions() -> None:
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
    # Their entropy is that of actions scaled to [-1, 1]: log 4 less per step than in units here.
    expected = -3.0 + 4.0 * (samples.actions + 1) + np.log(4.0)
    th.testing.assert_close(samples.rewards, expected)


def test_updates_before_relabelling_see_the_new_rollout_and_change_its_rewards(
    make_trainer,
) -> None:
    game = make_trainer(n_disc_updates_before_pricing=1, n_disc_updates_per_round=0)
    sizes: list[int] = []
    train_disc = game.train_disc
    game.train_disc = lambda **kw: sizes.append(len(game.gen_replay_buffer)) or train_disc(**kw)  # type: ignore[method-assign,func-returns-value]
    before = weights(game.reward_net)
    game.train_gen()
    assert sizes == [80]
    assert not same(before, weights(game.reward_net))


def test_off_policy_generators_get_all_discriminator_updates_of_a_round(make_trainer) -> None:
    game = make_trainer(
        SAC,
        gen={"buffer_size": 100},
        n_disc_updates_before_pricing=5,
        n_disc_updates_per_round=1,
        gen_train_timesteps=16,
    )
    game.train(3 * 16)
    assert game.n_disc_updates == 3 * (5 + 1)
