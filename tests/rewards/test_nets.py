import numpy as np
import pytest
import torch as th
from gymnasium import spaces

from airl_cli.errors import InvalidTypeError, InvalidValueError
from airl_cli.rewards import (
    AddSTDRewardWrapper,
    BasicPotentialCNN,
    BasicPotentialMLP,
    BasicRewardNet,
    BasicShapedRewardNet,
    CnnRewardNet,
    CnnShapedRewardNet,
    NormalizedRewardNet,
    RewardEnsemble,
    RewardNet,
    RunningNorm,
    ShapedRewardEnsemble,
    ShapedRewardNet,
    unwrapped,
)

BOX = spaces.Box(-1.0, 1.0, (3,), np.float32)
SPACES = [
    BOX,
    spaces.Box(-np.inf, np.inf, (2, 2), np.float64),
    spaces.Discrete(4),
    spaces.MultiDiscrete([2, 3]),
    spaces.MultiBinary(3),
]
IMAGE = spaces.Box(0, 255, (8, 8, 3), np.uint8)

Batch = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def batch_of(obs_space: spaces.Space, act_space: spaces.Space, n: int = 6) -> Batch:
    obs_space.seed(0)
    act_space.seed(1)
    obs = np.stack([obs_space.sample() for _ in range(n)])
    next_obs = np.stack([obs_space.sample() for _ in range(n)])
    acts = np.stack([act_space.sample() for _ in range(n)])
    return obs, acts, next_obs, np.arange(n) % 2 == 0


@pytest.mark.parametrize("obs_space", SPACES, ids=str)
@pytest.mark.parametrize("act_space", SPACES, ids=str)
def test_every_supported_space_gives_one_finite_reward_per_transition(
    obs_space: spaces.Space, act_space: spaces.Space
) -> None:
    net = BasicShapedRewardNet(obs_space, act_space, use_next_state=True, use_done=True)
    rewards = net.predict(*batch_of(obs_space, act_space))
    assert rewards.shape == (6,) and rewards.dtype == np.float32
    assert np.isfinite(rewards).all()


def test_discrete_observations_are_one_hot() -> None:
    net = BasicRewardNet(spaces.Discrete(3), spaces.MultiDiscrete([2, 2]))
    state, action, _, done = net.preprocess(
        np.array([2]), np.array([[1, 0]]), np.array([0]), np.array([True])
    )
    assert state.tolist() == [[0, 0, 1]]
    assert action.tolist() == [[0, 1, 1, 0]]
    assert done.tolist() == [1.0]


@pytest.mark.parametrize(
    "space", [spaces.Dict({"a": BOX}), spaces.Tuple((BOX, BOX)), spaces.Text(3)], ids=str
)
def test_composite_spaces_are_refused_with_a_remedy(space: spaces.Space) -> None:
    with pytest.raises(TypeError, match="FlattenObservation"):
        BasicRewardNet(space, BOX)
    with pytest.raises(InvalidTypeError, match="action space"):
        BasicRewardNet(BOX, space)


@pytest.mark.parametrize("part", ["use_state", "use_action", "use_next_state", "use_done"])
def test_a_net_sees_the_parts_it_uses_and_no_others(part: str) -> None:
    flags = {name: False for name in ("use_state", "use_action", "use_next_state", "use_done")}
    net = BasicRewardNet(BOX, spaces.Discrete(2), **{**flags, part: True})
    transition = batch_of(BOX, spaces.Discrete(2))
    before = net.predict(*transition)
    for i, name in enumerate(flags):
        changed = list(transition)
        changed[i] = 1 - transition[i] if name != "use_done" else ~transition[i]
        same = np.allclose(net.predict(*changed), before)
        assert same == (name != part)


def test_a_net_that_ignores_actions_can_be_applied_to_any() -> None:
    net = BasicShapedRewardNet(BOX, spaces.Discrete(2), use_action=False)
    obs, acts, next_obs, done = batch_of(BOX, spaces.Discrete(2))
    expected = net.predict(obs, acts, next_obs, done)
    assert not net.uses_action and BasicShapedRewardNet(BOX, BOX).uses_action
    np.testing.assert_array_equal(net.predict(obs, acts + 5, next_obs, done), expected)
    np.testing.assert_array_equal(net.predict(obs, obs, next_obs, done), expected)


def test_a_net_without_input_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="no input"):
        BasicRewardNet(BOX, BOX, use_state=False, use_action=False)


def test_shaping_is_discounted_and_zero_in_terminal_states() -> None:
    base = BasicRewardNet(BOX, BOX)
    net = ShapedRewardNet(base, lambda s: s.sum(dim=1), discount_factor=0.9)
    obs, acts, next_obs, done = batch_of(BOX, BOX)
    expected = (
        base.predict(obs, acts, next_obs, done)
        + 0.9 * np.where(done, 0.0, next_obs.sum(1))
        - obs.sum(1)
    )
    np.testing.assert_allclose(net.predict(obs, acts, next_obs, done), expected, rtol=1e-5)


def test_shaping_telescopes_over_an_episode_that_ends_in_a_terminal_state() -> None:
    gamma, steps = 0.9, 5
    base = BasicRewardNet(BOX, BOX)
    net = ShapedRewardNet(base, BasicPotentialMLP(BOX, (8,)), gamma)
    rng = np.random.default_rng(0)
    path = rng.normal(size=(steps + 1, 3)).astype(np.float32)
    acts = rng.normal(size=(steps, 3)).astype(np.float32)
    done = np.arange(steps) == steps - 1
    extra = net.predict(path[:-1], acts, path[1:], done) - base.predict(
        path[:-1], acts, path[1:], done
    )
    with th.no_grad():
        start = net.potential(th.as_tensor(path[:1])).item()
    assert (gamma ** np.arange(steps) * extra).sum() == pytest.approx(-start, abs=1e-5)


@pytest.mark.parametrize(
    "net",
    [
        BasicShapedRewardNet(BOX, BOX),
        ShapedRewardEnsemble(BOX, BOX),
        NormalizedRewardNet(BasicShapedRewardNet(BOX, BOX), RunningNorm),
    ],
)
def test_unwrapping_leaves_the_unshaped_net(net: RewardNet) -> None:
    assert isinstance(unwrapped(net), BasicRewardNet | RewardEnsemble)


def test_prediction_leaves_mode_gradients_and_statistics_alone() -> None:
    net = BasicShapedRewardNet(BOX, BOX, normalize_input_layer=RunningNorm).train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    net.predict(*batch_of(BOX, BOX))
    assert net.training
    assert all(th.equal(before[key], value) for key, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_normalised_output_has_mean_zero_and_unit_variance_in_the_long_run() -> None:
    net = NormalizedRewardNet(BasicRewardNet(BOX, BOX), RunningNorm)
    transition = batch_of(BOX, BOX, n=200)
    for _ in range(3):
        rewards = net.predict_processed(*transition)
    assert rewards.mean() == pytest.approx(0.0, abs=1e-3)
    assert rewards.std() == pytest.approx(1.0, abs=1e-2)
    np.testing.assert_allclose(net.predict(*transition), net.base.predict(*transition))


def test_normalised_output_can_be_asked_for_without_counting() -> None:
    net = NormalizedRewardNet(BasicRewardNet(BOX, BOX), RunningNorm)
    net.predict_processed(*batch_of(BOX, BOX), update_stats=False)
    assert net.normalize_output_layer.count == 0


def test_ensemble_is_the_mean_of_members_and_knows_their_spread() -> None:
    members = [BasicRewardNet(BOX, BOX) for _ in range(3)]
    ensemble = RewardEnsemble(BOX, BOX, members)
    transition = batch_of(BOX, BOX)
    each = np.stack([member.predict(*transition) for member in members])
    mean, variance = ensemble.predict_reward_moments(*transition)
    assert ensemble.num_members == 3
    np.testing.assert_allclose(ensemble.predict(*transition), each.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mean, each.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(variance, each.var(0, ddof=1), rtol=1e-4)


def test_ensemble_bonus_is_alpha_standard_deviations() -> None:
    ensemble = RewardEnsemble(BOX, BOX, [BasicRewardNet(BOX, BOX) for _ in range(3)])
    wrapped = AddSTDRewardWrapper(ensemble, default_alpha=-1.0)
    transition = batch_of(BOX, BOX)
    mean, variance = ensemble.predict_reward_moments(*transition)
    np.testing.assert_allclose(wrapped.predict_processed(*transition), mean - np.sqrt(variance))
    np.testing.assert_allclose(
        wrapped.predict_processed(*transition, alpha=2.0), mean + 2 * np.sqrt(variance)
    )
    np.testing.assert_allclose(wrapped.predict(*transition), mean, rtol=1e-5, atol=1e-6)


def test_an_ensemble_of_one_and_a_bonus_without_ensemble_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="at least two"):
        RewardEnsemble(BOX, BOX, [BasicRewardNet(BOX, BOX)])
    with pytest.raises(InvalidTypeError, match="RewardEnsemble"):
        AddSTDRewardWrapper(BasicRewardNet(BOX, BOX))


@pytest.mark.parametrize("hwc", [True, False])
def test_cnn_reward_takes_pictures_in_either_layout(hwc: bool) -> None:
    space = IMAGE if hwc else spaces.Box(0, 255, (3, 8, 8), np.uint8)
    net = CnnShapedRewardNet(space, spaces.Discrete(2), hwc_format=hwc)
    assert net.predict(*batch_of(space, spaces.Discrete(2))).shape == (6,)


def test_cnn_reward_depends_on_the_discrete_action_and_the_terminal_flag() -> None:
    net = CnnRewardNet(IMAGE, spaces.Discrete(3), use_done=True, use_next_state=True)
    obs, _, next_obs, _ = batch_of(IMAGE, spaces.Discrete(3), n=1)
    seen = {
        float(net.predict(obs, np.array([a]), next_obs, np.array([d]))[0])
        for a in range(3)
        for d in (False, True)
    }
    assert len(seen) == 6


def test_cnn_nets_refuse_vectors_and_continuous_actions() -> None:
    with pytest.raises(InvalidTypeError, match="image observations"):
        CnnRewardNet(BOX, spaces.Discrete(2))
    with pytest.raises(InvalidTypeError, match="image observations"):
        BasicPotentialCNN(BOX, (4,))
    with pytest.raises(InvalidTypeError, match="use_action=false"):
        CnnRewardNet(IMAGE, BOX)
    with pytest.raises(InvalidValueError, match="no picture"):
        CnnRewardNet(IMAGE, spaces.Discrete(2), use_state=False)


def test_a_net_without_parameters_lives_on_the_cpu() -> None:
    class Zero(RewardNet):
        def forward(self, state, action, next_state, done):  # noqa: ANN001, ANN202
            return th.zeros(len(done))

    net = Zero(BOX, BOX)
    assert net.device == th.device("cpu") and net.dtype == th.float32
    assert BasicRewardNet(BOX, BOX).dtype == th.float32
