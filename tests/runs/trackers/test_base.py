"""What a tracker is told about a run."""

from pathlib import Path

import pytest

from airl_cli.runs.trackers import RunFacts
from support.tracked import CONFIG


def test_hyperparameters_are_dotted_and_parts_have_the_names_of_their_classes() -> None:
    assert RunFacts(Path("x"), CONFIG).hyperparameters == {
        "seed": 3,
        "reward": "BasicRewardNet",
        "reward.hid_sizes": "[32, 32]",
        "generator": "PPO",
        "generator.learning_rate": 0.5,
        "trainer.normalize_gen_reward": True,
    }


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("/home/me/outputs/train/cartpole/2026-11-22", "train/cartpole/2026-11-22"),
        ("/tmp/results/seven", "results/seven"),
    ],
)
def test_a_run_is_called_after_its_directory(folder: str, name: str) -> None:
    assert RunFacts(Path(folder)).name == name
