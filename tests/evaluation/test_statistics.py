"""Statistics over seeds."""

import math

import numpy as np
import pytest

from airl_cli.evaluation.statistics import (
    bootstrap_interval,
    difference_of_iqm,
    interquartile_mean,
    interval_of_two,
    lead,
    performance_profile,
    probability_of_improvement,
)
from airl_cli.report.rows import censored_median, summarise

TEN = [5.0, -1.0, 2.0, 8.0, 100.0, 3.0, 4.0, 7.0, -50.0, 6.0]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([7.0], 7.0),
        ([3.0, 1.0, 2.0], 2.0),  # too few to cut
        ([0.0, 10.0, 20.0, 1000.0], 15.0),
        (TEN, 4.5),  # scipy.stats.trim_mean(values, 0.25)
        ([0.91, 0.95, 0.97, 0.99, 0.2], 0.9433333333333334),  # likewise
    ],
)
def test_the_interquartile_mean_is_that_of_the_middle_half(values, wanted) -> None:
    assert interquartile_mean(np.array(values)) == pytest.approx(wanted)
    assert summarise(values).iqm == pytest.approx(wanted)


def test_it_is_taken_along_the_last_axis() -> None:
    values = np.array([TEN, TEN[::-1], [1.0] * 10])
    assert interquartile_mean(values) == pytest.approx([4.5, 4.5, 1.0])


def test_two_values_have_the_known_bootstrap_interval() -> None:
    """A quarter of the resamples is (0, 0), a quarter (1, 1), the rest has the mean 0.5."""
    low, high = bootstrap_interval(np.array([0.0, 1.0]))
    assert (low, high) == (0.0, 1.0)


def test_the_interval_agrees_with_scipys() -> None:
    """Its `bootstrap(..., method="percentile")` of `trim_mean`, with 200,000 resamples."""
    low, high = bootstrap_interval(np.array(TEN), n_resamples=50_000)
    assert (low, high) == pytest.approx((-37 / 6, 65 / 3), abs=0.5)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """95 % in the limit; with twenty seeds a percentile bootstrap has a little less."""
    rng = np.random.default_rng(0)
    samples = rng.normal(3.0, 2.0, size=(400, 20))
    covered = 0
    for sample in samples:
        low, high = bootstrap_interval(sample, n_resamples=500, seed=1)
        covered += int(low <= 3.0 <= high)
    assert 0.88 <= covered / len(samples) <= 0.97


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    first = bootstrap_interval(np.array(TEN), n_resamples=500, seed=3)
    assert first == bootstrap_interval(np.array(TEN), n_resamples=500, seed=3)
    assert first != bootstrap_interval(np.array(TEN), n_resamples=500, seed=4)


def test_resamples_in_blocks_are_as_many_as_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airl_cli.evaluation.statistics._MAX_VALUES_IN_MEMORY", 70)
    low, high = bootstrap_interval(np.stack([TEN, TEN]), n_resamples=1001)
    assert low.shape == (2,)
    assert low[0] == low[1] < 4.5 < high[0] == high[1]  # one draw of seeds for both


def test_a_summary_has_the_sample_standard_deviation() -> None:
    summary = summarise([1.0, 2.0, 4.0, math.nan])
    assert (summary.n, summary.mean) == (3, pytest.approx(7 / 3))
    assert summary.std == pytest.approx(1.5275252316519468)
    assert summary.low <= summary.iqm <= summary.high


def test_one_seed_has_no_spread_and_no_interval() -> None:
    summary = summarise([5.0])
    assert (summary.n, summary.mean, summary.iqm) == (1, 5.0, 5.0)
    assert all(map(math.isnan, (summary.std, summary.low, summary.high)))
    assert summarise([]).n == 0
    assert math.isnan(summarise([math.nan]).mean)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([30.0, 10.0, 20.0], 20.0),
        ([10.0, 20.0], 15.0),
        ([10.0, 20.0, math.inf], 20.0),
        ([10.0, math.inf], math.inf),
        ([10.0, math.inf, math.inf], math.inf),
    ],
)
def test_runs_that_never_got_there_count_in_the_median(values, wanted) -> None:
    assert censored_median(values) == wanted
    assert math.isnan(censored_median([]))


def test_the_probability_of_improvement_is_the_mann_whitney_share() -> None:
    x, y = np.array([1.0, 2.0, 5.0]), np.array([2.0, 3.0])
    assert probability_of_improvement(x, y) == pytest.approx((0 + 0.5 + 2) / 6)
    assert probability_of_improvement(y, x) == pytest.approx(1 - 2.5 / 6)
    assert probability_of_improvement(x, x) == 0.5


def test_it_agrees_with_scipys_mann_whitney_u() -> None:
    from scipy.stats import mannwhitneyu

    rng = np.random.default_rng(0)
    x, y = rng.normal(0.3, 1, 12).round(1), rng.normal(0, 1, 9).round(1)
    wanted = mannwhitneyu(x, y).statistic / (len(x) * len(y))
    assert probability_of_improvement(x, y) == pytest.approx(wanted)


def test_the_interval_of_two_samples_resamples_both() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(100):
        x, y = rng.normal(1, 1, 20), rng.normal(0, 1, 15)
        low, high = interval_of_two(x, y, difference_of_iqm, n_resamples=300)
        covered += low <= 1 <= high
    assert 85 <= covered <= 99
    assert all(map(math.isnan, interval_of_two([1.0], [2.0, 3.0], difference_of_iqm)))


def test_a_performance_profile_is_the_share_of_runs_above_each_score() -> None:
    thresholds = np.array([-1.0, 0.0, 0.5, 1.0])
    profile = performance_profile([0.0, 0.5, 0.7, 2.0], thresholds)
    assert profile.tolist() == [1.0, 0.75, 0.5, 0.25]


def test_a_lead_has_the_noise_of_both_samples() -> None:
    assert lead([5.0], [3.0]) == (2.0, 0.0)
    difference, noise = lead([4.0, 6.0, 5.0, 7.0], [0.0, 10.0, 5.0, 2.0])
    assert difference == 1.25
    assert noise > difference
