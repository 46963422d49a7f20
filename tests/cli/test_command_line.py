"""The command line without running a job: help, version, configs, completion, mistakes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig

from airl_cli import __version__, cli
from airl_cli.commands import COMMANDS
from airl_cli.config import conf_dir
from support.cli import Airl, Outcome


def python(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        check=False,
    )


def test_help_lists_every_command_without_importing_anything_heavy() -> None:
    code = (
        "import sys; from airl_cli.cli import main; main(['--help']); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'hydra', 'numpy', 'omegaconf')))"
    )
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    for name, text in COMMANDS.items():
        assert f"{name}" in done.stdout
        assert text in done.stdout


def test_importing_the_package_imports_neither_hydra_nor_torch() -> None:
    done = python(
        "-c", "import sys, airl_cli; sys.exit('hydra' in sys.modules or 'torch' in sys.modules)"
    )
    assert done.returncode == 0


def test_runs_as_a_module() -> None:
    done = python("-m", "airl_cli", "--help")
    assert done.returncode == 0
    assert "Usage: airl" in done.stdout


def test_every_command_has_a_module_function_and_config() -> None:
    import importlib

    for name in COMMANDS:
        assert callable(getattr(importlib.import_module(f"airl_cli.commands.{name}"), name))
        assert (conf_dir() / f"{name}.yaml").is_file()


@pytest.mark.parametrize("arguments", [["--version"], ["train", "--version"]])
def test_version_is_the_packages(airl: Airl, arguments: list[str]) -> None:
    outcome = airl(*arguments)
    assert outcome.code == 0
    assert outcome.out.strip() == f"airl {__version__}"


def test_no_arguments_show_the_help(airl: Airl) -> None:
    assert airl() == airl("--help")


def test_help_of_a_command_lists_groups_and_options(airl: Airl) -> None:
    outcome = airl("train", "--help")
    assert outcome.code == 0
    for group in ("env", "expert", "reward", "generator", "trainer", "logger", "experiment"):
        options = sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))
        assert options
        assert ", ".join(options) in " ".join(outcome.out.split())
    assert "total_timesteps" in outcome.out


def test_cfg_job_prints_the_config_and_runs_nothing(airl: Airl, tmp_path: Path) -> None:
    outcome = airl("train", "env=pendulum", "--cfg", "job", "--resolve", "seed=3")
    assert outcome.code == 0
    config = yaml.safe_load(outcome.out)
    assert config["env"]["id"] == "Pendulum-v1"
    assert config["seed"] == 3
    assert config["reward"]["discount_factor"] == config["generator"]["gamma"]
    assert not list(tmp_path.iterdir())


def test_flags_may_stand_between_overrides(airl: Airl) -> None:
    outcome = airl("train", "seed=4", "--cfg", "job", "env=pendulum")
    config = yaml.safe_load(outcome.out)
    assert (config["seed"], config["env"]["id"]) == (4, "Pendulum-v1")


def composed(airl: Airl, *overrides: str) -> dict:
    outcome = airl("train", "--cfg", "job", "--resolve", *overrides)
    assert outcome.code == 0, outcome.err
    return yaml.safe_load(outcome.out)


def test_recipes_apply_by_themselves_and_typed_values_win(airl: Airl) -> None:
    recipe = yaml.safe_load((conf_dir() / "recipe/cartpole-ppo.yaml").read_text())
    tuned = composed(airl)["generator"]
    assert tuned["n_epochs"] == recipe["generator"]["n_epochs"]
    assert composed(airl, "generator.n_epochs=3")["generator"]["n_epochs"] == 3
    plain = yaml.safe_load((conf_dir() / "generator/base/ppo.yaml").read_text())
    assert composed(airl, "recipe=none")["generator"]["n_epochs"] == plain["n_epochs"]


def test_the_experts_recipe_follows_the_environment_and_can_be_turned_off(airl: Airl) -> None:
    recipe = yaml.safe_load((conf_dir() / "recipe/expert/pendulum-ppo.yaml").read_text())
    plain = yaml.safe_load((conf_dir() / "expert/base/trained.yaml").read_text())
    key = "total_timesteps"
    assert composed(airl, "env=pendulum")["expert"][key] == recipe[key]
    untuned = composed(airl, "env=pendulum", "recipe/expert=none")
    assert untuned["expert"][key] == plain[key]


@pytest.mark.parametrize("group", ["env", "reward", "generator", "trainer", "logger", "expert"])
def test_every_option_of_every_group_composes(airl: Airl, group: str) -> None:
    for path in sorted((conf_dir() / group).glob("*.yaml")):
        extra = ["env.id=Acrobot-v1"] if path.stem == "gym" else []
        assert "_target_" in composed(airl, f"{group}={path.stem}", *extra)[group]


def test_any_gymnasium_id_needs_no_config_file(airl: Airl) -> None:
    env = composed(airl, "env=gym", "env.id=Acrobot-v1", "env.import_module=null")["env"]
    assert (env["id"], env["import_module"]) == ("Acrobot-v1", None)


def test_groups_of_the_users_own_come_from_config_dir(airl: Airl, tmp_path: Path) -> None:
    (tmp_path / "mine/env").mkdir(parents=True)
    (tmp_path / "mine/env/acrobot.yaml").write_text("defaults: [gym]\nid: Acrobot-v1\n")
    config = composed(airl, "--config-dir", "mine", "env=acrobot")
    assert config["env"]["id"] == "Acrobot-v1"
    assert config["env"]["n_envs"] == 8


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("airl ", set(COMMANDS)),
        ("airl eva", {"evaluate"}),
        ("airl train reward=st", {"reward=state_only"}),
        ("airl train generator.n_s", {"generator.n_steps="}),
        ("airl evaluate ru", {"run="}),
    ],
)
def test_completion_knows_commands_groups_and_keys(
    airl: Airl, monkeypatch: pytest.MonkeyPatch, line: str, expected: set[str]
) -> None:
    monkeypatch.setenv("COMP_LINE", line)
    outcome = airl("-sc", "query=bash")
    assert outcome.code == 0
    assert set(outcome.out.split()) == expected


def test_completion_installs(airl: Airl) -> None:
    outcome = airl("-sc", "install=bash")
    assert outcome.code == 0
    assert "complete -o nospace" in outcome.out


MISTAKES = [
    (["trian"], "no command 'trian'", "Did you mean 'train'?"),
    (["--hlep"], "no option '--hlep'", "Did you mean '--help'?"),
    (["zzz"], "no command 'zzz'", "airl --help lists the commands"),
    (["env=cartpole"], "before a command", "airl train env=cartpole"),
    (["train", "--multrun"], "no option '--multrun'", "Did you mean '--multirun'?"),
    (["train", "--cfg", "jbo"], "invalid choice: 'jbo'", "--hydra-help"),
    (["train", "--cfg", "job", "-m"], "Only one of", ""),
    (["train", "env=cartpol"], "env has no option 'cartpol'", "Did you mean 'cartpole'?"),
    (["train", "reward=x"], "reward has no option 'x'", "Options: basic, cnn, ensemble, shaped"),
    (["train", "rewrad=basic"], "no key 'rewrad'", "Did you mean 'reward'?"),
    (["train", "generator.n_step=3"], "no key 'generator.n_step'", "'generator.n_steps'"),
    (["train", "demo_batch_size=3"], "no key", "Did you mean 'trainer.demo_batch_size'?"),
    (["train", "total_timesteps=3"], "no key", "'expert.total_timesteps' or 'trainer.total_t"),
    (["train", "generator.tensorboard_log=x"], "PPO takes it", "Type +generator.tensorboard_log"),
    (["train", "generator.policy_kwargs.ortho=1"], "no key", "+generator.policy_kwargs.ortho="),
    (["train", "+seed=1"], "seed is in the config already", "Type seed=<value>"),
    (["train", "~nothing"], "no key 'nothing'", ""),
    (["train", "seed=0,1"], "several values", "Add -m"),
    (["train", "seed=["], "not a well-formed override", "quote it"),
    (["train", "--config-dir", "nowhere"], "nowhere' not found", ""),
    (["evaluate"], "run is not set", "Add run=<value>"),
]


@pytest.mark.parametrize(("arguments", "problem", "remedy"), MISTAKES)
def test_a_mistake_gets_two_lines_and_exit_code_2(
    airl: Airl, tmp_path: Path, arguments: list[str], problem: str, remedy: str
) -> None:
    outcome = airl(*arguments)
    first, _, rest = outcome.err.partition("\n")
    assert outcome.code == 2
    assert first.startswith("error: ")
    assert problem in first
    assert remedy in rest
    assert "Traceback" not in outcome.err + outcome.out
    assert len(outcome.err.splitlines()) <= 3
    assert not list(tmp_path.rglob("config.yaml"))


def test_the_traceback_shows_when_the_user_asks_for_it(
    airl: Airl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    outcome = airl("train", "env=cartpol")
    assert outcome.code == 2
    assert "Traceback" in outcome.err
    assert "env has no option 'cartpol'" in outcome.err
    assert os.environ["HYDRA_FULL_ERROR"] == "1"


def test_the_process_is_left_as_it_was(airl: Airl) -> None:
    before = sys.argv, sys.stderr
    airl("train", "env=cartpol")
    assert (sys.argv, sys.stderr) == before
    assert "HYDRA_FULL_ERROR" not in os.environ


def test_an_interrupt_before_a_run_began_is_one_word(
    airl: Airl, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(argv: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_dispatch", interrupted)
    assert airl("train") == Outcome(130, "", "interrupted\n")


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = f"set -o pipefail; {sys.executable} -m airl_cli train --help | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_a_key_that_is_added_twice_is_said_to_be_given_twice(airl: Airl) -> None:
    outcome = airl("train", "generator=sac", "+generator.n_steps=40", "+generator.n_steps=1")
    assert outcome.code == 2
    assert outcome.err.splitlines() == [
        "error: generator.n_steps is given twice: +generator.n_steps=40 +generator.n_steps=1.",
        "Leave one of them out.",
    ]


def test_a_value_that_needs_quotes_is_shown_as_it_is_to_be_typed(airl: Airl) -> None:
    outcome = airl("train", "expert=trajectories", "expert.path=\u00fc b.npz")
    assert outcome.code == 2
    assert """quote it: 'expert.path="\u00fc b.npz"'""" in outcome.err
    outcome = airl("train", "expert=trajectories", 'expert.path="\u00fc b.npz"', "--cfg", "job")
    assert outcome.code == 0
    assert yaml.safe_load(outcome.out)["expert"]["path"] == "\u00fc b.npz"


def test_a_tilde_behind_an_equals_sign_is_the_home_folder(
    airl: Airl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/some body")
    outcome = airl("train", "expert=trajectories", "expert.path=~/x.npz", "--cfg", "job")
    assert outcome.code == 0, outcome.err
    assert yaml.safe_load(outcome.out)["expert"]["path"] == "/home/some body/x.npz"


@pytest.mark.parametrize(
    ("overrides", "folder"),
    [
        (["env=pendulum"], "pendulum"),
        (["env=gym", "env.id=seals:seals/Ant-v1"], "seals-Ant-v1"),
        (["env=gym", "env.id=Acrobot-v1"], "Acrobot-v1"),
    ],
)
def test_runs_lie_in_a_folder_named_after_their_environment(
    overrides: list[str], folder: str
) -> None:
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        for command in ("train", "transfer"):
            cfg = compose(
                command,
                [*overrides, "run=x"][: len(overrides) + (command != "train")],
                return_hydra_config=True,
            )
            HydraConfig.instance().set_config(cfg)
            assert Path(cfg.hydra.run.dir).parent.name == folder
