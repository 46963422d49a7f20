import numpy as np
import pytest
import torch as th

from airl_cli.rewards.layers import (
    EMANorm,
    RunningNorm,
    build_cnn,
    build_mlp,
    evaluating,
    frozen_statistics,
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
