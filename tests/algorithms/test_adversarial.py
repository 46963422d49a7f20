import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3 import DQN, SAC, TD3

from airl_cli import GAIL
from airl_cli.algorithms import AdversarialTrainer
from airl_cli.algorithms.batch import TransitionBatch
from airl_cli.algorithms.schedule import Late
from airl_cli.errors import InvalidTypeError, InvalidValueError
from airl_cli.rewards import BasicRewardNet, ShapedRewardEnsemble, ShapedRewardNet
from support.discriminators import FLOATS, same, weights
from support.line import Line, line_demonstrations


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


def test_without_a_batch_size_few_demonstrations_are_repeated(make_trainer) -> None:
    game = make_trainer()
    few = game._demonstrations.sample(7)._asdict()
    with pytest.raises(InvalidValueError, match="demo_batch_size=32 is more than the 7"):
        make_trainer(demonstrations=few)
    game = make_trainer(demonstrations=few, demo_batch_size=None)
    assert game.demo_batch_size == 512
    game.train_gen()
    assert game.train_disc()["n_expert"] == 512


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


# -- refusals ---------------------------------------------------------------------------------


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
    with pytest.raises(InvalidValueError, match="demo_batch_size must be at least 1, got 0"):
        make_trainer(demo_batch_size=0)


def test_a_reward_net_for_other_spaces_is_refused(make_trainer) -> None:
    other = spaces.Box(-1.0, 1.0, (7,), np.float32)
    with pytest.raises(InvalidValueError, match="observation_space"):
        make_trainer(reward_net=BasicRewardNet(other, Line().action_space))


def test_demonstrations_can_be_given_later(make_trainer) -> None:
    game = make_trainer(demonstrations=None)
    with pytest.raises(ValueError, match="set_demonstrations"):
        game.train(80)
    game.set_demonstrations(line_demonstrations())
    game.train(80)
    assert game.stats["n_expert"] == 32


def test_any_iterable_of_trajectories_will_do(make_trainer) -> None:
    episodes = line_demonstrations()
    learned = []
    for demonstrations in (episodes, (episode for episode in episodes)):
        game = make_trainer(demonstrations=demonstrations)
        game.train(80)
        learned.append(weights(game.reward_net))
    assert same(learned[0], learned[1])


def test_a_trainer_of_ones_own_receives_the_current_log_probabilities(make_trainer) -> None:
    given = []

    class Own(AdversarialTrainer):
        def logits_expert_is_high(self, state, action, next_state, done, log_policy_act_prob=None):
            given.append((state, action, log_policy_act_prob))
            return self._reward_net(state, action, next_state, done) - log_policy_act_prob

        reward_train = reward_test = property(lambda self: self.reward_net)

    game = make_trainer(trainer=Own)
    game.train(160)
    state, action, log_prob = given[-1]
    expected = game.policy_log_prob(TransitionBatch(state, action, state, th.zeros(len(state))))
    th.testing.assert_close(log_prob, expected, atol=1e-5, rtol=1e-4)


def test_by_default_every_round_prints_a_table(make_trainer, capsys) -> None:
    make_trainer().train(160)
    assert capsys.readouterr().out.count("disc_loss") == 2


def test_an_ensembles_members_share_the_log_probabilities_of_a_batch(make_trainer) -> None:
    line = Line()
    net = ShapedRewardEnsemble(line.observation_space, line.action_space, n_members=3)
    game = make_trainer(reward_net=net)
    game.train_gen()
    asked = []
    sample_log_prob = game.sample_log_prob
    game.sample_log_prob = lambda batch: asked.append(batch) or sample_log_prob(batch)
    game.train_disc()
    assert len(asked) == 1
