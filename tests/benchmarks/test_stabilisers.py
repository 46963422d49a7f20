import importlib
import json

import pytest
from hydra import compose, initialize_config_dir

from airl_cli.config import conf_dir


@pytest.fixture
def stabilisers(root_on_path):
    return importlib.import_module("benchmarks.stabilisers.run")


def test_every_variant_but_the_first_changes_the_recipe(stabilisers):
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        configs = {
            name: compose("train", ["env=walker2d", *overrides])
            for name, overrides in stabilisers.VARIANTS.items()
        }
    recipe = configs.pop("recipe")
    assert recipe.trainer.disc_lr_schedule is not None
    assert all(config != recipe for config in configs.values())
    assert len({str(config) for config in configs.values()}) == len(configs)


def test_the_table_is_of_finished_runs_by_variant(stabilisers, tmp_path):
    result = {"normalized_score": 0.5, "learner_return_mean": 50.0}
    for variant, seed in [("recipe", 10), ("recipe", 11), ("R1 penalty 0.01", 10)]:
        folder = stabilisers.folder_of(tmp_path, variant) / f"walker2d-{seed}"
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(json.dumps({**result, "seed": seed}))
    runs = stabilisers.gathered(tmp_path)
    seeds = {variant: [row["seed"] for row in rows] for variant, rows in runs.items()}
    assert seeds == {"recipe": [10, 11], "R1 penalty 0.01": [10]}
