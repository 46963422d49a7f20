"""Learning curves of groups."""

from pathlib import Path

import numpy as np
import pytest

from airl_cli.report.curves import binned, draw_learning_curves, group_curve
from airl_cli.report.find import find_runs
from airl_cli.report.metrics import Curve
from airl_cli.report.rows import Options, make_report
from support.run_directories import make_run


def report_of(folder: Path):
    return make_report(find_runs([str(folder)]), Options(n_resamples=200))


def curve_of(folder: Path):
    (row,) = report_of(folder).rows
    return group_curve(row.group)


def test_seeds_with_the_same_steps_keep_them(tmp_path: Path) -> None:
    for seed, top in enumerate((100.0, 200.0, 600.0)):
        make_run(tmp_path / str(seed), seed=seed, curve=[0.0, top / 2, top])
    curve = curve_of(tmp_path)
    assert curve.steps.tolist() == [1000, 2000, 3000]
    assert curve.middle.tolist() == [0, 150, 300]
    assert (curve.low[2], curve.high[2]) == (100, 600)
    assert (curve.n_seeds, curve.finished) == (3, True)


def test_rounds_without_an_episode_are_bridged(tmp_path: Path) -> None:
    make_run(tmp_path / "0", seed=0, curve=[0.0, float("nan"), 200.0])
    make_run(tmp_path / "1", seed=1, curve=[0.0, 300.0, 400.0])
    assert curve_of(tmp_path).middle.tolist() == [0, 200, 300]


def test_one_seed_has_no_interval(tmp_path: Path) -> None:
    make_run(tmp_path / "0")
    curve = curve_of(tmp_path)
    assert np.isnan(curve.low).all()
    assert curve.n_seeds == 1


def test_a_run_that_has_just_begun_does_not_hide_the_others(tmp_path: Path) -> None:
    for seed, length in enumerate((9, 8, 2)):
        make_run(tmp_path / str(seed), seed=seed, status="interrupted", curve=[1.0] * length)
    curve = curve_of(tmp_path)
    assert (curve.steps[-1], curve.n_seeds, curve.finished) == (8000, 2, False)
    make_run(tmp_path / "3", seed=3, curve=[5.0] * 3)
    curve = curve_of(tmp_path)
    assert (curve.steps[-1], curve.n_seeds, curve.finished) == (3000, 1, True)


def test_a_run_without_an_episode_has_no_curve(tmp_path: Path) -> None:
    make_run(tmp_path / "0", curve=[float("nan")] * 3)
    assert curve_of(tmp_path) is None
    assert not draw_learning_curves(report_of(tmp_path), tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()


def test_long_curves_are_averaged_over_equal_stretches() -> None:
    steps = np.arange(1, 100_001, dtype=float)
    noise = np.random.default_rng(0).normal(size=len(steps))
    short = binned(Curve(steps, 3.0 + noise, steps / 10), 100)
    assert len(short.steps) == 100
    assert short.returns == pytest.approx(3.0, abs=0.2)  # one in a thousand would be off by one
    assert short.seconds == pytest.approx(short.steps / 10)
    assert np.all(np.diff(short.steps) > 0)


def test_the_picture_is_drawn_whatever_the_names_are(tmp_path: Path) -> None:
    for n, env_id in enumerate(("$\\frac{", "_hidden", "a" * 300)):
        make_run(tmp_path / str(n), env__id=env_id, result={"env_id": env_id})
    for n in range(10):
        make_run(tmp_path / f"g{n}", generator__name=f"$_{n}^")
    assert draw_learning_curves(report_of(tmp_path), tmp_path / "out" / "curves.png")
    assert (tmp_path / "out" / "curves.png").read_bytes().startswith(b"\x89PNG")
