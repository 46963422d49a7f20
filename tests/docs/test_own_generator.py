"""`docs/own-generator.md` and `examples/own_generator`: the commands of the page, run for real."""

from pathlib import Path

import pytest
import yaml

import airl_cli
from support.cli import Airl
from support.docs import DOCS, airl_commands, blocks

PAGE = DOCS / "own-generator.md"
TRPO, TQC = airl_commands(PAGE)
TINY = [
    *("expert=random", "recipe/expert=none", "expert.n_episodes=2", "env.n_envs=2"),
    *("trainer.demo_batch_size=64", "evaluation.n_episodes=2", "device=cpu"),
]
SMALL = {
    "my_trpo": ["generator.n_steps=64", "trainer.total_timesteps=256"],
    "my_tqc": [
        *("generator.learning_starts=80", "generator.batch_size=32"),
        *("trainer.gen_train_timesteps=100", "trainer.total_timesteps=200"),
    ],
}


@pytest.mark.parametrize("command", [TRPO, TQC], ids=list(SMALL))
def test_a_class_named_in_a_config_trains_and_is_loaded_again(
    command: list[str], airl: Airl, examples: Path
) -> None:
    name = next(a.partition("=")[2] for a in command if a.startswith("generator="))
    trained = airl(*command, *TINY, *SMALL[name])
    assert trained.code == 0, trained.err
    run = airl_cli.load_run(command[-1].partition("=")[2])
    target = yaml.safe_load((examples / f"own_generator/conf/generator/{name}.yaml").read_text())
    assert run.config["generator"]["_target_"] == target["_target_"]
    action, _ = run.policy.predict(run.observation_space.sample())
    assert run.action_space.contains(action)


def test_the_config_shown_is_part_of_the_example(examples: Path) -> None:
    (shown,) = blocks(PAGE, "yaml")
    whole = yaml.safe_load((examples / "own_generator/conf/generator/my_tqc.yaml").read_text())
    assert yaml.safe_load(shown).items() <= whole.items()
