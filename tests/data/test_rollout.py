import logging

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from airl_cli.data import Trajectory, TrajectoryWithRew, Transitions, rollout
from airl_cli.data.wrappers import RolloutInfoWrapper
from airl_cli.errors import InvalidTypeError, InvalidValueError

ENDS = st.sampled_from(["terminated", "truncated", "both"])
SCRIPTS = st.lists(
    st.lists(st.tuples(st.integers(1, 12), ENDS), min_size=1, max_size=4), min_size=1, max_size=4
)


def rng():
    return np.random.default_rng(0)


def expected_episodes(scripts, is_enough):
    """(env, episode) of all that begin before the step at which enough have finished."""
    starts = [0] * len(scripts)
    episodes = [0] * len(scripts)
    begun = {(env, 0) for env in range(len(scripts))}
    finished, time = [], 0
    while not is_enough(finished):
        time += 1
        restarted = []
        for env, script in enumerate(scripts):
            length = script[episodes[env] % len(script)][0]
            if time == starts[env] + length:
                finished.append(length)
                starts[env], episodes[env] = time, episodes[env] + 1
                restarted.append((env, episodes[env]))
        if not is_enough(finished):
            begun.update(restarted)
    return begun


def identity(trajectory):
    env, episode, _ = trajectory.obs[0]
    return int(env), int(episode)


@settings(max_examples=60, deadline=None)
@given(SCRIPTS, st.integers(1, 12))
def test_exactly_the_episodes_begun_before_enough_had_finished_are_sampled(
    scripted_venv, scripts, n
):
    sampled = rollout.rollout(None, scripted_venv(scripts), rollout.make_min_episodes(n), rng=rng())
    identities = [identity(trajectory) for trajectory in sampled]
    assert len(set(identities)) == len(identities)
    assert set(identities) == expected_episodes(scripts, lambda done: len(done) >= n)


@settings(max_examples=30, deadline=None)
@given(SCRIPTS, st.integers(1, 60))
def test_sampling_until_timesteps_does_not_cut_or_choose_episodes_either(scripted_venv, scripts, n):
    sampled = rollout.rollout(
        None, scripted_venv(scripts), rollout.make_min_timesteps(n), rng=rng()
    )
    assert {identity(t) for t in sampled} == expected_episodes(scripts, lambda d: sum(d) >= n)


@settings(max_examples=60, deadline=None)
@given(SCRIPTS, st.integers(1, 8))
def test_trajectories_hold_what_happened_and_only_terminal_ends_are_terminal(
    scripted_venv, scripts, n
):
    venv = scripted_venv(scripts)
    sampled = rollout.rollout(
        None, venv, rollout.make_min_episodes(n), rng=rng(), exclude_infos=False
    )
    for trajectory in sampled:
        env, episode = identity(trajectory)
        length, end = scripts[env][episode % len(scripts[env])]
        assert trajectory.terminal == (end != "truncated")
        # the last row too: the state that ended the episode, not the one after the reset
        wanted = [[env, episode, time] for time in range(length + 1)]
        np.testing.assert_array_equal(trajectory.obs, wanted)
        np.testing.assert_array_equal(trajectory.rews, np.arange(length))
        assert [info["action"] for info in trajectory.infos] == trajectory.acts.tolist()

    flat = rollout.flatten_trajectories(sampled)
    assert len(flat) == sum(map(len, sampled))
    assert flat.dones.sum() == sum(trajectory.terminal for trajectory in sampled)
    np.testing.assert_array_equal(flat.next_obs[:, 2], flat.obs[:, 2] + 1)
    np.testing.assert_array_equal(flat.next_obs[:, :2], flat.obs[:, :2])


class CoinEnv(gym.Env):
    """Episodes of 1 or 50 steps, each with probability one half."""

    observation_space = spaces.Box(0, 50, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = 50 if self.np_random.random() < 0.5 else 1
        return np.array([self.left], dtype=np.float32), {}

    def step(self, action):
        self.left -= 1
        return np.array([self.left], dtype=np.float32), 0.0, self.left == 0, False, {}


@pytest.mark.parametrize("first_only", [False, True])
def test_short_episodes_are_not_favoured(first_only):
    """Also not among the first few, since the result is shuffled."""
    venv, generator, lengths = DummyVecEnv([CoinEnv] * 8), rng(), []
    venv.seed(0)
    for _ in range(100):
        sampled = rollout.rollout(None, venv, rollout.make_min_episodes(8), rng=generator)
        lengths += [len(t) for t in (sampled[:4] if first_only else sampled)]
    share_of_long = np.mean(np.array(lengths) == 50)
    # 400 or 1500 coins: four standard deviations; the first eight to finish would give 0.07
    assert share_of_long == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(len(lengths)))


def test_long_episodes_outgrow_the_buffer_unharmed(scripted_venv):
    venv = scripted_venv([[(1500, "truncated")], [(3, "terminated"), (400, "truncated")]])
    sampled = rollout.rollout(None, venv, rollout.make_min_episodes(9), rng=rng())
    assert sorted(map(len, sampled)) == [3] * 4 + [400] * 4 + [1500] * 2
    for trajectory in sampled:
        np.testing.assert_array_equal(trajectory.obs[:, 2], np.arange(len(trajectory) + 1))
        assert len(np.unique(trajectory.obs[:, :2], axis=0)) == 1


def test_float64_observations_are_stored_as_float32(scripted_venv):
    venv = scripted_venv([[(2, "truncated")]])
    (trajectory,) = rollout.rollout(None, venv, rollout.make_min_episodes(1), rng=rng())
    assert venv.observation_space.dtype == np.float64
    assert trajectory.obs.dtype == np.float32
    assert trajectory.infos is None


def test_random_actions_come_from_rng_and_not_from_global_state(scripted_venv):
    def actions(seed):
        np.random.seed(123)
        venv = scripted_venv([[(30, "truncated")]] * 2)
        sampled = rollout.rollout(
            None, venv, rollout.make_min_episodes(2), rng=np.random.default_rng(seed)
        )
        return {identity(t): t.acts.tolist() for t in sampled}

    assert actions(1) == actions(1)
    assert actions(1) != actions(2)
    assert actions(1)[0, 0] != actions(1)[1, 0]
    assert set(actions(1)[0, 0]) == {0, 1, 2}


def test_callable_policies_keep_their_state_and_see_episode_starts(scripted_venv):
    starts = []

    def policy(obs, state, episode_starts):
        starts.append(episode_starts.tolist())
        count = np.zeros(2, dtype=np.int64) if state is None else state[0] + 1
        return count % 3, (count,)

    venv = scripted_venv([[(2, "terminated")], [(3, "terminated")]])
    sampled = rollout.rollout(policy, venv, rollout.make_min_episodes(1), rng=rng())
    assert starts == [[True, True], [False, False], [True, False]]
    assert sorted(t.acts.tolist() for t in sampled) == [[0, 1], [0, 1, 2]]


def test_sb3_policies_and_algorithms_act_stochastically_or_not(scripted_venv):
    venv = scripted_venv([[(50, "truncated")]])
    algorithm = PPO("MlpPolicy", venv, n_steps=8, batch_size=8, seed=0, device="cpu")
    for policy in (algorithm, algorithm.policy):
        enough = rollout.make_min_episodes(1)
        (mode,) = rollout.rollout(policy, venv, enough, rng=rng(), deterministic_policy=True)
        (sample,) = rollout.rollout(policy, venv, enough, rng=rng())
        predicted, _ = algorithm.predict(mode.obs[:-1], deterministic=True)
        np.testing.assert_array_equal(mode.acts, predicted)
        assert (sample.acts != algorithm.predict(sample.obs[:-1], deterministic=True)[0]).any()


def test_stored_box_actions_are_those_that_reached_the_environment():
    seen = []

    class Env(CoinEnv):
        action_space = spaces.Box(-0.1, 0.1, (2,), np.float32)

        def step(self, action):
            seen.append(action.copy())
            return super().step(action)

    venv = DummyVecEnv([Env])
    policy = PPO("MlpPolicy", venv, n_steps=8, batch_size=8, seed=0, device="cpu").policy
    sampled = rollout.generate_transitions(policy, venv, 20, rng=rng(), truncate=False)
    assert sorted(map(tuple, sampled.acts)) == sorted(map(tuple, seen))
    assert np.abs(sampled.acts).max() <= 0.1


@pytest.mark.parametrize("policy", ["ppo", 3])
def test_things_that_cannot_act_are_refused(scripted_venv, policy):
    with pytest.raises(InvalidTypeError, match="cannot be used as a policy"):
        rollout.rollout(
            policy, scripted_venv([[(1, "both")]]), rollout.make_min_episodes(1), rng=rng()
        )


@pytest.mark.parametrize("policy", [None, lambda obs, state, starts: (np.zeros(1, int), None)])
def test_a_mode_is_only_asked_of_sb3_policies(scripted_venv, policy):
    with pytest.raises(InvalidValueError, match="deterministic_policy=True"):
        rollout.rollout(
            policy,
            scripted_venv([[(1, "both")]]),
            rollout.make_min_episodes(1),
            rng=rng(),
            deterministic_policy=True,
        )


def test_actions_of_the_wrong_shape_are_refused(scripted_venv):
    with pytest.raises(InvalidValueError, match=r"shape \(1, 2\).*takes \(1,\)"):
        rollout.rollout(
            lambda obs, state, starts: (np.zeros((1, 2)), state),
            scripted_venv([[(1, "both")]]),
            rollout.make_min_episodes(1),
            rng=rng(),
        )


@pytest.mark.parametrize(
    ("field", "space"),
    [
        ("observation_space", spaces.Dict(a=spaces.Discrete(2))),
        ("action_space", spaces.Tuple([spaces.Discrete(2)])),
    ],
)
def test_nested_spaces_are_refused(scripted_venv, field, space):
    venv = scripted_venv([[(1, "both")]])
    setattr(venv, field, space)
    with pytest.raises(InvalidTypeError, match=f"{type(space).__name__} are not supported"):
        rollout.rollout(None, venv, rollout.make_min_episodes(1), rng=rng())


def test_a_venv_that_hides_the_last_observation_is_refused(scripted_venv):
    venv = scripted_venv([[(1, "both")]])
    original = venv.step_wait

    def step_wait():
        obs, rews, dones, infos = original()
        return obs, rews, dones, [{} for _ in infos]

    venv.step_wait = step_wait
    with pytest.raises(InvalidValueError, match="terminal_observation"):
        rollout.rollout(None, venv, rollout.make_min_episodes(1), rng=rng())


def test_sampling_conditions():
    def trajectories(*lengths):
        return [Trajectory(np.zeros((n + 1, 1)), np.zeros(n), None, True) for n in lengths]

    both = rollout.make_sample_until(min_timesteps=10, min_episodes=3)
    assert not both(trajectories(20))
    assert not both(trajectories(1, 1, 1))
    assert both(trajectories(4, 4, 2))
    assert not rollout.make_sample_until(min_timesteps=10)(trajectories(9))
    assert rollout.make_sample_until(min_episodes=1)(trajectories(1))


@pytest.mark.parametrize(
    "arguments", [{}, {"min_timesteps": 0}, {"min_episodes": 0}, {"min_episodes": -1}]
)
def test_conditions_that_never_or_always_hold_are_refused(arguments):
    with pytest.raises(InvalidValueError):
        rollout.make_sample_until(**arguments)


def test_generate_transitions_cuts_to_the_number_asked_for(scripted_venv):
    venv = scripted_venv([[(7, "terminated")]] * 2)
    exact = rollout.generate_transitions(None, venv, 10, rng=rng())
    whole = rollout.generate_transitions(None, venv, 10, rng=rng(), truncate=False)
    assert (len(exact), len(whole)) == (10, 14)
    assert exact.rews.tolist() == [0, 1, 2, 3, 4, 5, 6, 0, 1, 2]
    assert np.flatnonzero(whole.dones).tolist() == [6, 13]
    assert [info["action"] for info in exact.infos] == exact.acts.tolist()
    with pytest.raises(InvalidValueError, match="min_timesteps is 0"):
        rollout.generate_transitions(None, venv, 0, rng=rng())


def test_generate_transitions_unwraps_nothing(scripted_venv):
    class Halved(gym.ObservationWrapper):
        def observation(self, observation):
            return observation / 2

    venv = scripted_venv([[(4, "truncated")]], wrap=lambda env: Halved(RolloutInfoWrapper(env)))
    transitions = rollout.generate_transitions(None, venv, 4, rng())
    assert transitions.obs[:, 2].tolist() == [0, 0.5, 1, 1.5]
    (unwrapped,) = rollout.rollout(None, venv, rollout.make_min_episodes(1), rng())
    assert unwrapped.obs[:, 2].tolist() == [0, 1, 2, 3, 4]
    (kept,) = rollout.generate_trajectories(None, venv, rollout.make_min_episodes(1), rng())
    assert rollout.unwrap_traj(kept).obs[:, 2].tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="RolloutInfoWrapper"):
        rollout.unwrap_traj(unwrapped)


def test_flattening_gives_every_transition_an_info():
    def trajectory(infos):
        return TrajectoryWithRew(np.zeros((3, 2)), np.zeros(2), infos, True, np.ones(2))

    known = trajectory([{"a": 1}, {"a": 2}])
    assert [info["a"] for info in rollout.flatten_trajectories([known, known]).infos] == [1, 2] * 2
    mixed = rollout.flatten_trajectories([known, trajectory(None)])
    assert mixed.infos.tolist() == [{"a": 1}, {"a": 2}, {}, {}]
    assert mixed[3]["infos"] == {}
    sliced = {name: values[:3] for name, values in vars(mixed).items()}
    assert len(Transitions(**sliced)) == 3


def test_trajectories_of_different_environments_do_not_flatten():
    a = Trajectory(np.zeros((3, 2)), np.zeros(2), None, True)
    b = Trajectory(np.zeros((3, 1)), np.zeros(2), None, True)
    with pytest.raises(InvalidValueError, match="obs have different shapes"):
        rollout.flatten_trajectories([a, b])
    with pytest.raises(InvalidValueError, match="no trajectories"):
        rollout.flatten_trajectories([])


def test_stats_of_returns_lengths_and_monitor(scripted_venv):
    venv = scripted_venv([[(2, "terminated"), (4, "terminated")]], wrap=Monitor)
    venv = VecNormalize(venv, norm_obs=False, norm_reward=True)
    sampled = rollout.generate_trajectories(None, venv, rollout.make_min_episodes(2), rng())
    stats = rollout.rollout_stats(sampled)
    assert stats["n_traj"] == 2
    assert (stats["len_mean"], stats["len_std"], stats["len_min"], stats["len_max"]) == (3, 1, 2, 4)
    # 0+1 and 0+1+2+3, as they were before normalisation
    assert stats["monitor_return_mean"] == 3.5
    assert (stats["monitor_return_min"], stats["monitor_return_max"]) == (1, 6)
    assert stats["monitor_len_mean"] == 3
    assert stats["return_max"] != 6
    counts = {"n_traj", "len_min", "len_max", "monitor_return_len"}
    counts |= {"monitor_len_min", "monitor_len_max"}
    assert {name for name, value in stats.items() if type(value) is int} == counts
    assert {type(stats[name]) for name in stats.keys() - counts} == {float}


def test_stats_without_monitor_and_without_trajectories(scripted_venv):
    venv = scripted_venv([[(4, "terminated")]])
    sampled = rollout.generate_trajectories(None, venv, rollout.make_min_episodes(1), rng())
    stats = rollout.rollout_stats(sampled)
    assert stats["return_mean"] == 6
    assert not any(name.startswith("monitor") for name in stats)
    with pytest.raises(InvalidValueError, match="no trajectories"):
        rollout.rollout_stats([])


def test_original_observations_and_rewards_come_back_from_below_normalisation(scripted_venv):
    venv = scripted_venv([[(3, "truncated")]], wrap=RolloutInfoWrapper)
    venv = VecNormalize(venv)
    enough = rollout.make_min_episodes(1)
    (original,) = rollout.rollout(None, venv, enough, rng=rng())
    (normalised,) = rollout.rollout(None, venv, enough, rng=rng(), unwrap=False)
    assert original.obs[:, 2].tolist() == [0, 1, 2, 3]
    assert original.rews.tolist() == [0, 1, 2]
    assert original.obs.dtype == normalised.obs.dtype == np.float32
    assert normalised.rews.tolist() != [0, 1, 2]


def test_verbose_logs_the_statistics(scripted_venv, caplog):
    with caplog.at_level(logging.INFO, logger="airl_cli"):
        rollout.rollout(
            None,
            scripted_venv([[(4, "terminated")]]),
            rollout.make_min_episodes(1),
            rng=rng(),
            verbose=True,
        )
    assert "return_mean" in caplog.text


def test_a_policy_of_other_spaces_is_refused_before_a_step(scripted_venv):
    venv = scripted_venv([[(4, "terminated")]])
    model = PPO("MlpPolicy", venv, n_steps=8, batch_size=8, device="cpu")
    enough = rollout.make_min_episodes(1)
    venv.observation_space = spaces.Box(-1, 1, (4,), np.float32)
    with pytest.raises(ValueError, match=r"observation space is Box of shape \(3,\).*\(4,\)"):
        rollout.rollout(model, venv, enough, rng())
    venv.observation_space = spaces.Box(-1, 1, (3,), np.float32)  # other bounds do not matter
    assert len(rollout.rollout(model, venv, enough, rng())) == 1
    venv.action_space = spaces.Discrete(4)
    with pytest.raises(ValueError, match="action space is Discrete with 3 values.*4 values"):
        rollout.rollout(model.policy, venv, enough, rng())


@pytest.mark.parametrize("algorithm", [PPO, SAC])
def test_sampled_gsde_actions_are_independent_draws_of_the_present_deviation(algorithm):
    class OneState(CoinEnv):
        action_space = spaces.Box(-1, 1, (1,), np.float32)

        def step(self, action):
            return np.ones(1, np.float32), 0.0, False, False, {}

    venv = DummyVecEnv([OneState] * 4)
    act = {"buffer_size": 10} if algorithm is SAC else {"n_steps": 8, "batch_size": 8}
    model = algorithm("MlpPolicy", venv, use_sde=True, seed=0, device="cpu", **act)
    actor = model.policy.actor if algorithm is SAC else model.policy
    with th.no_grad():
        actor.log_std.fill_(-4.0)
    act = rollout.policy_to_callable(model, venv)
    obs, starts = np.ones((4, 1), np.float32), np.zeros(4, bool)
    acts = np.concatenate([act(obs, None, starts)[0] for _ in range(250)])
    assert len(np.unique(acts)) > 990
    claimed = actor.action_dist.distribution.stddev[0].item()
    mode = model.predict(obs[:1], deterministic=True)[0].item()
    assert acts.std() == pytest.approx(claimed, rel=0.15)
    assert acts.mean() == pytest.approx(mode, abs=4 * claimed / np.sqrt(1000) + 1e-3)


def test_discounted_sum_leaves_the_first_step_undiscounted():
    assert rollout.discounted_sum(np.array([1.0, 2.0, 4.0]), 0.5) == 3.0
    pairs = np.array([[1.0, 0.0], [2.0, 2.0]])
    assert rollout.discounted_sum(pairs, 1.0).tolist() == [3.0, 2.0]


def test_random_actions_without_a_generator_are_the_action_spaces_own(scripted_venv):
    venv = scripted_venv([[(4, "terminated")]] * 2)
    act = rollout.policy_to_callable(None, venv)
    starts = np.ones(2, bool)
    venv.action_space.seed(3)
    drawn = [act(None, None, starts)[0].tolist() for _ in range(5)]
    venv.action_space.seed(3)
    assert drawn == [act(None, None, starts)[0].tolist() for _ in range(5)]
    assert all(len(acts) == 2 for acts in drawn)
