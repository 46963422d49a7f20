import numpy as np
import pytest
import torch as th
from gymnasium import spaces

from airl_cli.errors import InvalidTypeError, InvalidValueError
from airl_cli.rewards import (
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


@pytest.mark.parametrize("hwc", [True, False])
def test_cnn_reward_takes_images_in_either_layout(hwc: bool) -> None:
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
    with pytest.raises(InvalidValueError, match="image observations"):
        CnnRewardNet(BOX, spaces.Discrete(2))
    with pytest.raises(InvalidValueError, match="image observations"):
        BasicPotentialCNN(BOX, (4,))
    with pytest.raises(InvalidValueError, match="use_action=false"):
        CnnRewardNet(IMAGE, BOX)
    with pytest.raises(InvalidValueError, match="no image"):
        CnnRewardNet(IMAGE, spaces.Discrete(2), use_state=False)


def test_a_net_without_parameters_lives_on_the_cpu() -> None:
    class Zero(RewardNet):
        def forward(self, state, action, next_state, done):  # noqa: ANN001, ANN202
            return th.zeros(len(done))

    net = Zero(BOX, BOX)
    assert net.device == th.device("cpu") and net.dtype == th.float32
    assert BasicRewardNet(BOX, BOX).dtype == th.float32


def test_discrete_spaces_are_counted_from_their_start() -> None:
    net = BasicRewardNet(spaces.MultiDiscrete([2, 3], start=[1, -1]), spaces.Discrete(2, start=5))
    state, action, _, _ = net.preprocess(
        np.array([[1, -1], [2, 1]]), np.array([5, 6]), np.array([[1, 0], [2, 0]]), np.zeros(2)
    )
    assert state.tolist() == [[1, 0, 1, 0, 0], [0, 1, 0, 0, 1]]
    assert action.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("use_done", [True, False])
def test_terminal_flags_as_a_column_are_flags(use_done: bool) -> None:
    net = BasicShapedRewardNet(BOX, BOX, use_done=use_done)
    obs, acts, next_obs, done = batch_of(BOX, BOX)
    rewards = net.predict(obs, acts, next_obs, done)
    column = net.predict(obs, acts, next_obs, done[:, None])
    np.testing.assert_array_equal(column, rewards)
    with pytest.raises(InvalidValueError, match=r"dones of shape \(3, 2\)"):
        net.predict(obs, acts, next_obs, done.reshape(3, 2))


def test_outputs_of_a_cnn_are_ordered_by_terminal_flag_and_action() -> None:
    net = CnnRewardNet(IMAGE, spaces.Discrete(3), use_done=True)
    state = {name: th.zeros_like(tensor) for name, tensor in net.state_dict().items()}
    net.load_state_dict({**state, "cnn.dense_final.bias": th.arange(6.0)})
    images = np.zeros((6, 8, 8, 3), np.uint8)
    actions, dones = np.tile(np.arange(3), 2), np.repeat([False, True], 3)
    assert net.predict(images, actions, images, dones).tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "make",
    [
        lambda: BasicShapedRewardNet(BOX, spaces.Discrete(2), normalize_input_layer=RunningNorm),
        lambda: CnnShapedRewardNet(IMAGE, spaces.Discrete(2)),
    ],
    ids=["mlp", "cnn"],
)
def test_weights_with_the_names_and_types_of_imitation_load(make) -> None:
    old, new = make(), make()
    transition = batch_of(old.observation_space, old.action_space)
    old.train()(*old.preprocess(*transition))  # fills running statistics
    theirs = {
        name.replace("potential.mlp.", "potential._potential_net.").replace(
            "potential.cnn.", "potential._potential_net."
        ): tensor.int() if name.endswith(".count") else tensor
        for name, tensor in old.state_dict().items()
    }
    new.load_state_dict(theirs)
    np.testing.assert_allclose(new.predict(*transition), old.predict(*transition), atol=1e-6)
