import numpy as np
import pytest
import torch as th

from airl_cli.rewards.layers import (
    EMANorm,
    RunningNorm,
    build_cnn,
    build_mlp,
    evaluating,
    frozen_spectral_norms,
    frozen_statistics,
    iterate_spectral_norms,
)


def test_running_norm_knows_the_moments_of_everything_it_saw() -> None:
    data = th.randn(1000, 3) * th.tensor([1.0, 5.0, 0.1]) + th.tensor([0.0, -7.0, 100.0])
    norm = RunningNorm(3)
    for part in data.split(130):
        norm(part)
    th.testing.assert_close(norm.running_mean, data.mean(0), rtol=1e-4, atol=1e-4)
    th.testing.assert_close(norm.running_var, data.var(0, unbiased=False), rtol=1e-3, atol=1e-5)


def test_running_norm_output_is_standardised() -> None:
    norm = RunningNorm(2)
    out = norm(th.randn(5000, 2) * 3 + 4)
    th.testing.assert_close(out.mean(0), th.zeros(2), atol=1e-3, rtol=0)
    th.testing.assert_close(out.var(0, unbiased=False), th.ones(2), atol=1e-3, rtol=0)


@pytest.mark.parametrize("norm_class", [RunningNorm, EMANorm])
def test_statistics_stand_still_in_evaluation_and_when_frozen(norm_class: type) -> None:
    norm = norm_class(2)
    norm(th.randn(10, 2))
    before = norm.running_mean.clone()
    with evaluating(norm):
        norm(th.randn(10, 2) + 5)
    with frozen_statistics(norm):
        norm(th.randn(10, 2) + 5)
    assert th.equal(norm.running_mean, before)
    norm(th.randn(10, 2) + 5)
    assert not th.equal(norm.running_mean, before)


def test_ema_norm_forgets_what_running_norm_remembers() -> None:
    ema, running = EMANorm(1, decay=0.9), RunningNorm(1)
    for shift in [0.0] * 100 + [10.0] * 100:
        batch = th.randn(50, 1) + shift
        ema(batch)
        running(batch)
    assert ema.running_mean.item() == pytest.approx(10.0, abs=0.3)
    assert running.running_mean.item() == pytest.approx(5.0, abs=0.3)


def test_ema_norm_is_unbiased_after_its_first_batch() -> None:
    norm = EMANorm(1)
    batch = th.randn(100, 1) * 3 + 7
    norm(batch)
    assert norm.running_mean.item() == pytest.approx(batch.mean().item(), rel=1e-5)
    assert norm.running_var.item() == pytest.approx(batch.var(unbiased=False).item(), rel=1e-5)


def test_ema_norm_matches_an_explicitly_weighted_mean_and_variance() -> None:
    norm, decay = EMANorm(1, decay=0.8), 0.8
    batches = [th.randn(64, 1) + k for k in range(5)]
    for batch in batches:
        norm(batch)
    weights = np.array([decay**k for k in reversed(range(5))])
    weights = np.repeat(weights / weights.sum() / 64, 64)
    values = th.cat(batches).flatten().numpy()
    mean = (weights * values).sum()
    assert norm.running_mean.item() == pytest.approx(mean, rel=1e-4)
    assert norm.running_var.item() == pytest.approx(
        (weights * (values - mean) ** 2).sum(), rel=1e-4
    )


def test_a_constant_feature_does_not_become_infinite() -> None:
    assert th.isfinite(RunningNorm(1)(th.full((10, 1), 3.0))).all()


@pytest.mark.parametrize("decay", [0.0, 1.0, -0.1])
def test_ema_decay_outside_the_unit_interval_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match="decay"):
        EMANorm(1, decay=decay)


def test_mlp_has_the_layers_it_was_asked_for() -> None:
    mlp = build_mlp(
        in_size=6,
        hid_sizes=[4, 5],
        out_size=2,
        name="g",
        activation=th.nn.Tanh,
        dropout_prob=0.1,
        flatten_input=True,
        normalize_input_layer=RunningNorm,
    )
    assert list(dict(mlp.named_children())) == [
        "g_flatten",
        "g_normalize_input",
        "g_dense0",
        "g_act0",
        "g_dropout0",
        "g_dense1",
        "g_act1",
        "g_dropout1",
        "g_dense_final",
    ]
    assert mlp(th.zeros(3, 2, 3)).shape == (3, 2)


def layer_norms(net: th.nn.Module) -> list[float]:
    weights = [m.weight.flatten(1) for m in net.modules() if hasattr(m, "parametrizations")]
    return [th.linalg.matrix_norm(weight, ord=2).item() for weight in weights]


@pytest.mark.parametrize("build", [build_mlp, build_cnn])
def test_spectral_normalisation_keeps_every_layer_at_slope_one(build) -> None:
    net = build(3, [8, 8], spectral_norm=True)
    optimizer = th.optim.SGD(net.parameters(), lr=1.0)
    x = th.randn(16, 3) if build is build_mlp else th.randn(16, 3, 6, 6)
    for _ in range(30):  # pulled towards infinity
        iterate_spectral_norms(net)
        optimizer.zero_grad()
        (-net(x).mean()).backward()
        optimizer.step()
    for _ in range(30):
        iterate_spectral_norms(net)
    net.eval()
    assert layer_norms(net) == pytest.approx([1.0] * 3, abs=2e-2)
    assert max(p.abs().max().item() for p in net.parameters() if p.ndim > 1) > 1.5


def test_a_spectrally_normalised_mlp_is_nowhere_steeper_than_one() -> None:
    net = build_mlp(3, [16, 16], spectral_norm=True, squeeze_output=True)
    for _ in range(50):
        iterate_spectral_norms(net)
    net.eval()
    a, b = th.randn(500, 3) * 3, th.randn(500, 3) * 3
    with th.no_grad():
        assert ((net(a) - net(b)).abs() <= 1.01 * (a - b).norm(dim=1)).all()


def test_estimates_of_spectral_norms_stand_still_when_evaluating_or_frozen() -> None:
    net = build_mlp(3, [4], spectral_norm=True)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with evaluating(net):
        net(th.randn(5, 3))
    with frozen_spectral_norms(net):
        net(th.randn(5, 3)).sum().backward()
    assert all(th.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    iterate_spectral_norms(net)
    assert not all(th.equal(before[name], tensor) for name, tensor in net.state_dict().items())


def test_squeezed_mlp_gives_one_number_per_row() -> None:
    assert build_mlp(3, [], squeeze_output=True)(th.zeros(7, 3)).shape == (7,)


@pytest.mark.parametrize("build", [build_mlp, build_cnn])
def test_squeezing_several_outputs_is_refused(build) -> None:
    with pytest.raises(ValueError, match="out_size=2"):
        build(3, [4], out_size=2, squeeze_output=True)


@pytest.mark.parametrize("stride", [1, 2])
def test_cnn_accepts_any_stride(stride: int) -> None:
    cnn = build_cnn(3, [4, 5], stride=stride, squeeze_output=True, dropout_prob=0.1)
    assert cnn(th.zeros(2, 3, 16, 16)).shape == (2,)


@pytest.mark.parametrize("norm_class", [RunningNorm, EMANorm])
def test_norms_count_samples_and_forget_them_on_reset(norm_class: type) -> None:
    norm, batch = norm_class(2), 5 + 3 * th.randn(7, 2)
    norm(batch)
    norm(batch)
    assert int(norm.count) == 14
    norm.reset_running_stats()
    assert int(norm.count) == 0
    th.testing.assert_close(norm.eval()(batch), batch, rtol=1e-4, atol=1e-4)
    norm.train()(batch)
    th.testing.assert_close(norm.running_mean, batch.mean(0))


def test_ema_norm_takes_the_statistics_that_imitation_saved() -> None:
    norm = EMANorm(2, decay=0.9)
    theirs = {
        "running_mean": th.tensor([1.0, 2.0]),
        "running_var": th.tensor([4.0, 9.0]),
        "count": th.tensor(30, dtype=th.int32),
        "inv_learning_rate": th.tensor(2.71),
        "num_batches": th.tensor(3, dtype=th.int32),
    }
    norm.load_state_dict(theirs)
    assert (int(norm.count), int(norm.num_batches)) == (30, 3)
    norm.eval()
    th.testing.assert_close(norm(th.tensor([[3.0, 5.0]])), th.ones(1, 2), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("build, shape", [(build_mlp, (3,)), (build_cnn, (3, 6, 6))])
def test_without_activation_a_net_is_affine(build, shape: tuple[int, ...]) -> None:
    net = build(3, (8, 8), activation=None)
    a, b = th.randn(2, 5, *shape)
    zero = net(th.zeros_like(a))
    th.testing.assert_close(net(a) + net(b) - zero, net(a + b), rtol=1e-4, atol=1e-4)


def test_an_input_layer_that_cannot_be_built_with_a_size_is_refused() -> None:
    with pytest.raises(ValueError, match="normalize_input_layer"):
        build_mlp(3, (8,), normalize_input_layer=th.nn.Module)
