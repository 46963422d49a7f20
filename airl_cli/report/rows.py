"""The numbers of each group, and the report that they make together."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path

import numpy as np

from airl_cli.evaluation.statistics import (
    N_RESAMPLES,
    bootstrap_interval,
    difference_of_iqm,
    interquartile_mean,
    interval_of_two,
    probability_of_improvement,
)
from airl_cli.report.find import Found
from airl_cli.report.groups import Group, group_runs, label, telling_keys
from airl_cli.report.record import RunRecord, read_run

_MOST_COMPARED = 8  # groups: 28 pairs


@dataclass(frozen=True)
class SeedStatistics:
    """One number of a group, over its seeds; NaN for what so few seeds do not tell.

    Attributes:
        n: Seeds that have the number.
        mean: Their mean.
        std: Sample standard deviation (n - 1 in the denominator); NaN for one seed.
        iqm: Interquartile mean.
        low: Lower end of its 95 % interval; NaN for one seed.
        high: Upper end.
        values: The numbers themselves.
    """

    n: int
    mean: float
    std: float
    iqm: float
    low: float
    high: float
    values: tuple[float, ...] = ()


def summarise(
    values: Sequence[float], *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> SeedStatistics:
    """Mean, spread and interquartile mean with its interval of the values that are finite."""
    known = np.array([value for value in values if math.isfinite(value)], dtype=float)
    n = len(known)
    if n == 0:
        return SeedStatistics(0, math.nan, math.nan, math.nan, math.nan, math.nan)
    std = low = high = math.nan
    if n > 1:
        std = float(np.std(known, ddof=1))
        low, high = map(float, bootstrap_interval(known, n_resamples=n_resamples, seed=seed))
    iqm = float(interquartile_mean(known))
    return SeedStatistics(n, float(known.mean()), std, iqm, low, high, tuple(known.tolist()))


def censored_median(values: Sequence[float]) -> float:
    """The median of times, where infinity stands for "not within the run".

    Leaving those runs out would make the slow ones look fast. Infinity if half of the runs or
    more did not get there; NaN without values.
    """
    return float(np.median(values)) if len(values) else math.nan


@dataclass(frozen=True)
class Options:
    """How a report is made.

    Attributes:
        expert_share: The normalised score whose first round is looked for.
        n_resamples: Of the bootstrap.
        seed: Of the bootstrap.
        ignore: Further keys in which runs of one group may differ.
    """

    expert_share: float = 0.95
    n_resamples: int = N_RESAMPLES
    seed: int = 0
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """The numbers of one group, over the seeds that finished.

    Attributes:
        number: 1, 2, ...: names the group in tables and pictures.
        label: What tells it from the other groups.
        group: The runs.
        returns: True return of the learner.
        scores: Normalised score: 0 for random actions, 1 for the expert.
        transfer: Transfer score, of `airl transfer`.
        retrain: Score of a new policy on the final reward.
        true_reward: Score of a new policy on the true reward, with the same settings and steps.
        expert: Mean return of the expert; NaN if unknown, or if the runs had different experts.
        random: Mean return of random actions; NaN if unknown.
        steps: Median of the environment steps until `expert_share` of the expert was reached;
            infinite if half of the seeds or more never did.
        seconds: Likewise of the seconds of training.
        reached: Seeds that got there.
        asked: Seeds of which that can be said.
    """

    number: int
    label: str
    group: Group
    returns: SeedStatistics
    scores: SeedStatistics
    transfer: SeedStatistics
    retrain: SeedStatistics
    true_reward: SeedStatistics
    expert: float
    random: float
    steps: float
    seconds: float
    reached: int
    asked: int


@dataclass(frozen=True)
class Pair:
    """Two groups of one environment, compared seed by seed of the one with seed of the other.

    Attributes:
        first: The better one.
        second: The other one.
        measure: "score", or "return" where not all runs have a score.
        difference: Interquartile mean of the first minus that of the second.
        difference_interval: Its 95 % interval.
        probability: That a seed of the first is better than one of the second.
        probability_interval: Its 95 % interval.
    """

    first: Row
    second: Row
    measure: str
    difference: float
    difference_interval: tuple[float, float]
    probability: float
    probability_interval: tuple[float, float]


@dataclass(frozen=True)
class Report:
    """Everything that the writers show.

    Attributes:
        rows: By environment, best first.
        keys: Dotted keys of configs that tell the groups apart.
        runs: All runs, in the order in which they were found.
        failed_jobs: Jobs that failed before there was a run: directory and reason.
        options: How it was made.
    """

    rows: Sequence[Row]
    keys: Sequence[str]
    runs: Sequence[RunRecord]
    failed_jobs: Mapping[Path, str]
    options: Options

    @property
    def panels(self) -> dict[tuple[str, str], list[Row]]:
        """The rows by command and environment."""
        panels: dict[tuple[str, str], list[Row]] = {}
        for row in self.rows:
            panels.setdefault(row.group.panel, []).append(row)
        return panels

    @cached_property
    def pairs(self) -> list[Pair]:
        """The groups with at least two seeds, each with each; of an environment the best eight."""
        found = []
        for rows in self.panels.values():
            several = [row for row in rows if row.returns.n > 1][:_MOST_COMPARED]
            found += [_pair(*two, self.options) for two in combinations(several, 2)]
        return found

    @property
    def n_finished(self) -> int:
        """Finished runs, repeats included."""
        return sum(run.state == "finished" for run in self.runs)


def make_report(found: Found, options: Options = Options()) -> Report:  # noqa: B008
    """Reads runs and takes the statistics.

    Args:
        found: Of `find_runs`.
        options: How.
    """
    runs = [read_run(path) for path in found.runs]
    groups = group_runs(runs, options.ignore)
    keys = telling_keys(groups)
    labels = _labels(groups, keys)
    rows = sorted((_row(*pair, options) for pair in zip(groups, labels, strict=True)), key=_rank)
    numbered = [Row(**{**vars(row), "number": n}) for n, row in enumerate(rows, 1)]
    return Report(numbered, keys, runs, found.failed_jobs, options)


def _labels(groups: Sequence[Group], keys: Sequence[str]) -> list[str]:
    """Names that tell each group from the others of its environment."""
    labels = []
    for group in groups:
        beside = [other for other in groups if other.panel == group.panel]
        differ = [k for k in keys if len({other.setting(k) for other in beside}) > 1]
        labels.append(label(group, differ))
    return labels


def _row(group: Group, name: str, options: Options) -> Row:
    runs = group.counted

    def over_seeds(values: Sequence[float]) -> SeedStatistics:
        return summarise(values, n_resamples=options.n_resamples, seed=options.seed)

    times = [run.curve.first_reached(run.level(options.expert_share)) for run in runs if run.curve]
    steps, seconds = ([t[i] for t in times if not math.isnan(t[i])] for i in (0, 1))
    return Row(
        number=0,
        label=name,
        group=group,
        returns=over_seeds([run.number("learner_return_mean") for run in runs]),
        scores=over_seeds([run.score for run in runs]),
        transfer=over_seeds([run.number("transfer_score") for run in runs]),
        retrain=over_seeds([run.number("retrain_score") for run in runs]),
        true_reward=over_seeds([run.number("true_reward_score") for run in runs]),
        expert=_expert_level(runs),
        random=_mean([run.number("random_return_mean") for run in runs]),
        steps=censored_median(steps),
        seconds=censored_median(seconds),
        reached=sum(map(math.isfinite, steps)),
        asked=len(steps),
    )


def _expert_level(runs: Sequence[RunRecord]) -> float:
    """The expert's mean return; different experts are never averaged into one level."""
    if len({run.expert for run in runs}) > 1:
        return math.nan
    return _mean([run.number("expert_return_mean") for run in runs])


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return sum(known) / len(known) if known else math.nan


def _pair(first: Row, second: Row, options: Options) -> Pair:
    scored = all(row.scores.n == row.returns.n for row in (first, second))
    x, y = (np.array((row.scores if scored else row.returns).values) for row in (first, second))

    def interval(statistic: Callable[..., np.ndarray]) -> tuple[float, float]:
        return interval_of_two(x, y, statistic, n_resamples=options.n_resamples, seed=options.seed)

    return Pair(
        first,
        second,
        "score" if scored else "return",
        float(difference_of_iqm(x, y)),
        interval(difference_of_iqm),
        float(probability_of_improvement(x, y)),
        interval(probability_of_improvement),
    )


def _rank(row: Row) -> tuple[object, ...]:
    """By environment; then the best score, the best return; groups without results come last."""
    best = [-s.iqm if math.isfinite(s.iqm) else math.inf for s in (row.scores, row.returns)]
    return row.group.env_id, row.group.command, *best, row.label
