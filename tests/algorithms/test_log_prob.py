import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from sb3_contrib import TQC, TRPO, CrossQ, RecurrentPPO
from stable_baselines3 import A2C, DQN, PPO, SAC, TD3

from airl_cli.algorithms.log_prob import (
    action_log_prob,
    censored_log_density,
    check_has_log_prob,
    squashed_log_density,
)
from support.line import line_venv

LOW, HIGH = th.tensor([-1.0]), th.tensor([2.0])


@pytest.mark.parametrize(("mean", "std"), [(0.0, 0.5), (1.8, 1.0), (-3.0, 2.0), (0.3, 30.0)])
def test_censored_density_and_its_two_atoms_sum_to_one(mean: float, std: float) -> None:
    grid = th.linspace(-1.0, 2.0, 200_001, dtype=th.float64)[1:-1, None]
    args = (th.tensor([mean]).double(), th.tensor([std]).double(), LOW.double(), HIGH.double())
    inside = th.trapezoid(censored_log_density(grid, *args).exp().flatten(), grid.flatten())
    atoms = censored_log_density(th.tensor([[-1.0], [2.0]]).double(), *args).exp().sum()
    assert (inside + atoms).item() == pytest.approx(1.0, abs=1e-4)


def test_censored_atom_is_the_share_of_samples_that_are_clipped() -> None:
    mean, std = th.tensor([1.0]), th.tensor([1.5])
    samples = (mean + std * th.randn(400_000, 1)).clamp(LOW, HIGH)
    for bound in (LOW, HIGH):
        share = (samples == bound).float().mean().item()
        atom = censored_log_density(bound[None], mean, std, LOW, HIGH).exp().item()
        assert atom == pytest.approx(share, abs=3e-3)


def test_inside_the_bounds_it_is_the_gaussian_density() -> None:
    mean, std, x = th.tensor([0.4]), th.tensor([0.7]), th.tensor([[0.1], [1.9]])
    expected = th.distributions.Normal(mean, std).log_prob(x)
    th.testing.assert_close(censored_log_density(x, mean, std, LOW, HIGH), expected)


def test_entropy_of_a_censored_gaussian_is_bounded_as_its_deviation_grows() -> None:
    """With the plain Gaussian density, -E[log pi] grows without limit: entropy for free."""
    entropies = []
    for std in (1.0, 10.0, 100.0, 1000.0):
        samples = (std * th.randn(100_000, 1)).clamp(-1.0, 1.0)
        args = (th.zeros(1), th.tensor([std]), -th.ones(1), th.ones(1))
        entropies.append(-censored_log_density(samples, *args).mean().item())
    assert entropies[-1] < entropies[0] + 0.01
    assert entropies[-1] == pytest.approx(np.log(2), abs=0.02)  # a coin between the two bounds


@pytest.mark.parametrize(("mean", "std"), [(0.0, 0.5), (1.5, 1.0), (0.0, 4.0)])
def test_squashed_density_integrates_to_one_bounds_included(mean: float, std: float) -> None:
    eps = np.geomspace(1e-9, 1.0, 100_000)
    unit = np.concatenate([-1 + eps, (1 - eps)[::-1][1:]])
    grid = th.as_tensor(0.5 + 1.5 * unit)[:, None]
    args = [th.tensor([x], dtype=th.float64) for x in (mean, std, -1.0, 2.0)]
    mass = th.trapezoid(squashed_log_density(grid, *args).exp().flatten(), grid.flatten())
    assert mass.item() == pytest.approx(1.0, abs=2e-3)


def test_squashed_density_is_finite_and_keeps_a_gradient_at_the_bounds() -> None:
    mean = th.tensor([0.3], requires_grad=True)
    log_density = squashed_log_density(
        th.tensor([[-1.0], [2.0], [0.5]]), mean, th.tensor([1.0]), LOW, HIGH
    )
    log_density.sum().backward()
    assert th.isfinite(log_density).all() and th.isfinite(mean.grad).all()


@pytest.mark.parametrize("algorithm", [PPO, A2C, TRPO])
def test_actor_critic_samples_inside_the_bounds_agree_with_sb3(algorithm: type) -> None:
    venv = line_venv()
    policy = algorithm("MlpPolicy", venv, device="cpu", seed=0).policy
    obs = th.as_tensor(np.stack([venv.observation_space.sample() for _ in range(50)]))
    acts = th.rand(50, 1) * 1.8 - 0.9
    with th.no_grad():
        expected = policy.evaluate_actions(obs, acts)[1]
        th.testing.assert_close(action_log_prob(policy, obs, acts), expected)


def test_discrete_and_multidiscrete_actions_have_their_mass() -> None:
    for space in (spaces.Discrete(3), spaces.MultiDiscrete([2, 3]), spaces.MultiBinary(2)):
        policy = PPO("MlpPolicy", _spaces_env(space), device="cpu").policy
        acts = th.as_tensor(np.stack([np.asarray(space.sample()) for _ in range(8)]))
        with th.no_grad():
            expected = policy.evaluate_actions(th.zeros(8, 2), acts.float())[1]
            th.testing.assert_close(action_log_prob(policy, th.zeros(8, 2), acts), expected)


@pytest.mark.parametrize("algorithm", [SAC, TQC, CrossQ])
def test_squashed_samples_agree_with_the_actors_own_density(algorithm: type) -> None:
    model = algorithm("MlpPolicy", line_venv(), device="cpu", seed=0, buffer_size=10)
    model.policy.set_training_mode(False)
    obs = th.randn(100, 2) * 0.3
    with th.no_grad():
        acts, expected = model.actor.action_log_prob(obs)
        got = action_log_prob(model.policy, obs, acts)
    th.testing.assert_close(got, expected, atol=2e-3, rtol=1e-3)


def test_state_dependent_noise_is_understood_squashed_or_not() -> None:
    for squash in (False, True):
        policy = PPO(
            "MlpPolicy",
            line_venv(),
            device="cpu",
            use_sde=True,
            policy_kwargs={"squash_output": squash},
        ).policy
        obs, acts = th.zeros(3, 2), th.tensor([[-0.5], [0.1], [0.4]])
        with th.no_grad():
            expected = policy.evaluate_actions(obs, acts)[1]
            got = action_log_prob(policy, obs, acts)
        th.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


def test_image_policies_are_fed_channels_first() -> None:
    space = spaces.Box(0, 255, (36, 36, 3), np.uint8)
    policy = PPO("CnnPolicy", _spaces_env(spaces.Discrete(2), space), device="cpu").policy
    obs = th.randint(0, 255, (2, 36, 36, 3), dtype=th.uint8)
    with th.no_grad():
        got = action_log_prob(policy, obs, th.tensor([0, 1]))
        expected = policy.evaluate_actions(obs.permute(0, 3, 1, 2), th.tensor([0, 1]))[1]
    th.testing.assert_close(got, expected)


@pytest.mark.parametrize("algorithm", [PPO, A2C, TRPO, SAC, TQC, CrossQ])
def test_usable_generators_are_accepted(algorithm: type) -> None:
    check_has_log_prob(algorithm("MlpPolicy", line_venv(), device="cpu"))


@pytest.mark.parametrize(
    ("algorithm", "policy", "discrete"),
    [(TD3, "MlpPolicy", False), (DQN, "MlpPolicy", True), (RecurrentPPO, "MlpLstmPolicy", False)],
)
def test_others_are_refused_by_name_with_usable_ones(
    algorithm: type, policy: str, discrete: bool
) -> None:
    model = algorithm(policy, line_venv(discrete=discrete), device="cpu")
    with pytest.raises(TypeError, match=f"{algorithm.__name__}(.|\n)*PPO, A2C") as error:
        check_has_log_prob(model)
    assert "SAC" in str(error.value)


def _spaces_env(action_space: spaces.Space, observation_space: spaces.Space | None = None):
    from stable_baselines3.common.envs import FakeImageEnv
    from stable_baselines3.common.vec_env import DummyVecEnv

    env = FakeImageEnv()
    env.action_space = action_space
    env.observation_space = observation_space or spaces.Box(-1.0, 1.0, (2,), np.float32)
    return DummyVecEnv([lambda: env])
