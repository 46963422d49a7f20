"""The nearest known name."""

import pytest

from airl_cli.errors import did_you_mean, nearest

KNOWN = ["env", "env.n_envs", "expert.total_timesteps", "seed", "trainer.total_timesteps"]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("sed", ["seed"]),
        ("env.n_env", ["env.n_envs"]),
        ("n_envs", ["env.n_envs"]),
        ("trainer.total_timestep", ["trainer.total_timesteps"]),
        ("total_timesteps", ["expert.total_timesteps", "trainer.total_timesteps"]),
        ("total_timestep", ["expert.total_timesteps", "trainer.total_timesteps"]),
        ("something_else", []),
    ],
)
def test_the_nearest_name_is_found_by_the_whole_or_the_last_part(
    word: str, expected: list[str]
) -> None:
    assert nearest(word, KNOWN) == expected


def test_nothing_near_gives_no_question() -> None:
    assert did_you_mean("xyz", KNOWN) == ""
    assert did_you_mean("sed", KNOWN) == "Did you mean 'seed'?"
