"""Which runs belong together, and what tells groups apart."""

import math
from pathlib import Path
from typing import Any

import pytest

from airl_cli.report.curves import reference_levels
from airl_cli.report.find import find_runs
from airl_cli.report.groups import differing_keys, telling_keys
from airl_cli.report.rows import Options, Report, make_report
from support.run_directories import make_run

SHAPED = {
    "reward___target_": "airl_cli.rewards.BasicShapedRewardNet",
    "reward__potential_hid_sizes": [32, 32],
}
PENDULUM = {"env__id": "Pendulum-v1", "generator__learning_rate": 0.0003}


class Folder:
    """A folder to fill with runs."""

    def __init__(self, path: Path) -> None:
        self.path, self._n = path, 0

    def add(self, **changes: Any) -> Path:
        self._n += 1
        return make_run(self.path / str(self._n), **changes)

    def report(self, **options: Any) -> Report:
        return make_report(find_runs([str(self.path)]), Options(n_resamples=200, **options))


@pytest.fixture
def runs(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "runs")


def test_seeds_make_a_group_and_what_changes_nothing_does_not_split_it(runs: Folder) -> None:
    runs.add(seed=0, returns=300.0)
    runs.add(seed=1, returns=500.0, verbose=False, device="cuda")
    runs.add(seed=2, returns=400.0, expert__cache_dir="/elsewhere", trainer__checkpoint_every=3)
    (row,) = runs.report().rows
    assert (row.returns.n, row.returns.mean) == (3, 400.0)
    assert row.scores.mean == pytest.approx(0.8)
    assert row.label == "seals/CartPole-v0"


def test_groups_are_told_apart_by_class_and_not_by_what_follows_from_it(runs: Folder) -> None:
    runs.add()
    runs.add(**SHAPED)
    report = runs.report()
    assert [row.label for row in report.rows] == [
        "reward=BasicRewardNet",
        "reward=BasicShapedRewardNet",
    ]
    groups = [row.group for row in report.rows]
    assert differing_keys(groups) == ["reward._target_", "reward.potential_hid_sizes"]


def test_the_options_that_were_chosen_tell_groups_apart(runs: Folder) -> None:
    """Not what they imply: both rewards are of one class, with and without actions."""
    runs.add(typed=["reward=basic"])
    runs.add(typed=["reward=state_only", "seed=1"], reward__use_action=False, seed=1)
    report = runs.report()
    assert report.keys == ["reward"]
    assert {row.label for row in report.rows} == {"reward=basic", "reward=state_only"}


def test_a_default_option_is_named_from_hydras_record(runs: Folder) -> None:
    default = runs.add()
    (default / ".hydra").mkdir()
    text = "hydra:\n  runtime:\n    choices:\n      reward: shaped\n      recipe/expert: x\n"
    (default / ".hydra" / "hydra.yaml").write_text(text)
    runs.add(typed=["reward=state_only"], reward__use_action=False)
    assert {row.label for row in runs.report().rows} == {"reward=shaped", "reward=state_only"}
    (default / ".hydra" / "hydra.yaml").write_text("{")
    assert "reward=BasicRewardNet" in {row.label for row in runs.report().rows}


def test_a_recipe_that_was_chosen_stands_for_all_that_it_sets(runs: Folder) -> None:
    runs.add(generator__learning_rate=0.1, generator__batch_size=32, typed=["recipe=none"])
    runs.add(typed=["recipe=fast"])
    assert runs.report().keys == ["recipe"]


def test_keys_beside_an_option_are_shown_too(runs: Folder) -> None:
    for option, action in (("basic", True), ("state_only", False)):
        for size in (32, 64):
            typed = [f"reward={option}", f"generator.batch_size={size}"]
            runs.add(typed=typed, reward__use_action=action, generator__batch_size=size)
    report = runs.report()
    assert report.keys == ["reward", "generator.batch_size"]
    assert len({row.label for row in report.rows}) == 4


def test_runs_with_different_experts_are_not_averaged_into_one_level(runs: Folder) -> None:
    for seed, level in ((0, 500.0), (1, 300.0)):
        runs.add(expert__seed=seed, result={"expert_return_mean": level}, seed=seed)
    report = runs.report()
    assert sorted(row.expert for row in report.rows) == [300.0, 500.0]
    assert set(reference_levels(report.rows)) == {"expert of 1", "expert of 2", "random"}
    (row,) = runs.report(ignore=("expert.seed",)).rows  # pooled because it was asked for
    assert (row.scores.n, math.isnan(row.expert)) == (2, True)
    assert set(reference_levels([row])) == {"random"}


def test_pairs_of_groups_are_compared_seed_by_seed(runs: Folder) -> None:
    for rate, returns in ((0.1, (100.0, 200.0, 300.0)), (0.2, (200.0, 300.0, 400.0))):
        for seed, value in enumerate(returns):
            runs.add(seed=seed, returns=value, generator__learning_rate=rate)
    runs.add(generator__learning_rate=0.3)  # one seed: in no pair
    (pair,) = runs.report().pairs
    assert (pair.measure, pair.difference) == ("score", pytest.approx(0.2))
    assert pair.probability == pytest.approx((6 + 2 / 2) / 9)  # two ties
    low, high = pair.difference_interval
    assert low < 0.2 < high and pair.probability_interval[1] == 1.0


def test_a_score_that_is_null_has_no_number_anywhere(runs: Folder) -> None:
    runs.add(result={"normalized_score": None, "no_score_because": "the expert is random"})
    runs.add(seed=1, result={"normalized_score": 165.8, "expert_return_mean": -1.0})
    (row,) = runs.report().rows
    assert (row.scores.n, row.returns.n, row.asked) == (0, 2, 0)


def test_environments_are_never_averaged(runs: Folder) -> None:
    runs.add(returns=500.0)
    runs.add(returns=-200.0, **PENDULUM)
    report = runs.report()
    assert [row.group.env_id for row in report.rows] == ["Pendulum-v1", "seals/CartPole-v0"]
    assert report.keys == []  # the recipe's learning rate follows from the environment
    assert len(report.panels) == 2


def test_what_was_typed_is_what_tells(runs: Folder) -> None:
    """Two keys always move together; the table shows the one that somebody chose."""
    for size, steps in ((64, 4096), (128, 8192), (64, 4096)):
        changes = {"generator__batch_size": size, "trainer__total_timesteps": steps}
        runs.add(typed=[f"trainer.total_timesteps={steps}"], **changes)
    assert runs.report().keys == ["trainer.total_timesteps"]


def test_all_typed_keys_are_shown_even_if_one_would_do(runs: Folder) -> None:
    """As of a random search, in which every value is there once."""
    for rate, size in ((0.1, 32), (0.2, 64), (0.3, 128)):
        typed = ["generator.learning_rate=1", "generator.batch_size=1"]
        runs.add(typed=typed, generator__learning_rate=rate, generator__batch_size=size)
    assert set(runs.report().keys) == {"generator.learning_rate", "generator.batch_size"}


def test_at_most_six_keys_are_shown(runs: Folder) -> None:
    for n in range(12):
        runs.add(**{f"generator__option_{k}": n >> k & 1 for k in range(9)})
    groups = [row.group for row in runs.report().rows]
    assert len(groups) == 12
    keys = telling_keys(groups)
    assert len(keys) == 4  # as many as it takes
    assert len({tuple(group.config[key] for key in keys) for group in groups}) == 12


def test_further_keys_can_be_ignored(runs: Folder) -> None:
    for rate in (0.1, 0.2):
        runs.add(generator__learning_rate=rate, seed=int(rate * 10))
    assert len(runs.report().rows) == 2
    (row,) = runs.report(ignore=("generator.learning_*",)).rows
    assert row.returns.n == 2


def test_a_seed_that_was_run_twice_counts_once(runs: Folder) -> None:
    runs.add(seed=0, returns=100.0, written="2026-01-01T00:00:00+00:00")
    newest = runs.add(seed=0, returns=300.0, written="2026-01-03T00:00:00+00:00")
    runs.add(seed=0, returns=200.0, written="2026-01-02T00:00:00+00:00")
    runs.add(seed=1, returns=500.0)
    runs.add(seed=0, status="failed")
    (row,) = runs.report().rows
    assert row.returns.values == (300.0, 500.0)
    assert list(row.group.repeats.values()) == [newest, newest]
    assert (row.group.count("finished"), row.group.count("failed")) == (4, 1)


def test_unfinished_runs_are_counted_but_not_averaged(runs: Folder) -> None:
    runs.add(seed=0, returns=400.0)
    runs.add(seed=1, status="interrupted")
    (runs.add(seed=2) / "result.json").write_text("{")
    (runs.add(seed=3) / "config.json").write_text("{")
    report = runs.report()
    (row,) = report.rows
    assert row.returns.n == 1
    states = [run.state for run in report.runs]
    assert states == ["finished", "interrupted", "unreadable", "unreadable"]
    assert (row.group.count("interrupted"), row.group.count("unreadable")) == (1, 1)


def test_steps_and_seconds_are_those_of_the_median_seed(runs: Folder) -> None:
    runs.add(seed=0, curve=[0, 480, 490])
    runs.add(seed=1, curve=[0, 100, 475])
    runs.add(seed=2, curve=[0, 100, 200])
    (row,) = runs.report().rows
    assert (row.steps, row.seconds, row.reached, row.asked) == (3000, 30, 2, 3)
    (row,) = runs.report(expert_share=0.2).rows
    assert (row.steps, row.reached) == (2000, 3)


def test_transfers_are_grouped_by_the_runs_whose_reward_they_took(
    runs: Folder, tmp_path: Path
) -> None:
    """The path of the source differs between seeds of the same config, and that is all right."""
    sources = [make_run(tmp_path / f"basic{n}", seed=n) for n in range(2)]
    sources += [make_run(tmp_path / f"shaped{n}", seed=n, **SHAPED) for n in range(2)]
    for n, source in enumerate(sources):
        runs.add(run=str(source), upper_bound={}, result={"transfer_score": n / 10})
    report = runs.report()
    assert [row.transfer.values for row in report.rows] == [(0.0, 0.1), (0.2, 0.3)]
    assert [row.label for row in report.rows] == [
        "reward=BasicRewardNet",
        "reward=BasicShapedRewardNet",
    ]
    assert {row.group.command for row in report.rows} == {"transfer"}


def test_a_source_that_is_no_run_is_not_shown(runs: Folder, tmp_path: Path) -> None:
    """The path comes from a config that anybody may have written."""
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "config.json").write_text('{"auths": {"token": "hunter2"}}')
    runs.add(run=str(tmp_path / "docker"), upper_bound={})
    runs.add(run="\0", upper_bound={})
    rows = runs.report().rows
    assert len(rows) == 2
    assert "hunter2" not in str([row.group.config for row in rows])
    assert str(tmp_path / "docker") in [row.group.config.get("source") for row in rows]


def test_an_environment_that_only_finished_runs_can_name_has_one_name(runs: Folder) -> None:
    maze = {"_target_": "airl_cli.envs.specs.point_maze", "direction": "left"}
    runs.add(env=maze)
    runs.add(env={**maze, "direction": "right"}, status="interrupted")
    report = runs.report()
    assert [row.group.env_id for row in report.rows] == ["airl/PointMaze-v0"] * 2
    assert report.keys == ["env.direction"]
