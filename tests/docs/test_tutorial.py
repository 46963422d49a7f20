"""The commands of `docs/tutorial.md`: composed and checked as `airl` does, without training."""

import re
from collections.abc import Iterator, Mapping
from itertools import product

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser

from airl_cli.commands import COMMANDS, PATHS, VERBS
from airl_cli.commands.check import CHECK_KEYS
from airl_cli.commands.demos import DEMOS_KEYS
from airl_cli.commands.list import LIST_KEYS
from airl_cli.commands.report import REPORT_KEYS
from airl_cli.config import conf_dir
from airl_cli.config.validation import (
    EVALUATE_KEYS,
    REWARD_KEYS,
    TRAIN_KEYS,
    TRANSFER_KEYS,
    validated,
)
from support.docs import DOCS, REPOSITORY, airl_commands, commands

KEYS: Mapping[str, Mapping[str, Mapping[str, object]]] = {
    "train": TRAIN_KEYS,
    "transfer": TRANSFER_KEYS,
    "evaluate": EVALUATE_KEYS,
    "reward": REWARD_KEYS,
    "check": CHECK_KEYS,
    "demos": DEMOS_KEYS,
    "list": LIST_KEYS,
    "report": REPORT_KEYS,
}
TUTORIAL = DOCS / "tutorial.md"
WRITES = ("hydra.run.dir=", "hydra.sweep.dir=")
READS = ("run=", "resume=", "expert.path=")


def jobs(overrides: list[str]) -> Iterator[list[str]]:
    """One list of overrides for each job that a command starts."""
    choices = [
        [f"{parsed.get_key_element()}={value}" for value in parsed.sweep_string_iterator()]
        if parsed.is_sweep_override()
        else [text]
        for text, parsed in zip(
            overrides, OverridesParser.create().parse_overrides(overrides), strict=True
        )
    ]
    yield from map(list, product(*choices))


def composed(command: str, arguments: list[str]) -> Iterator[None]:
    """Composes and validates each job of a command; fails where `airl` would refuse it."""
    arguments = list(arguments)
    if command in VERBS:
        arguments[0] = f"verb={arguments[0]}"
    if command in PATHS:
        arguments = [a if "=" in a else f"{PATHS[command]}={a}" for a in arguments]
    flags = ("-m", "--cfg", "job", "--package", "trainer")
    overrides = [argument for argument in arguments if argument not in flags]
    for job in jobs(overrides):
        composed = compose(command, job)
        if command in KEYS:  # `verify` checks its own
            validated(composed, KEYS[command], together=command == "train")
        yield


@pytest.mark.parametrize(
    "arguments", [a for a in airl_commands(TUTORIAL) if a[0] in COMMANDS], ids=" ".join
)
def test_a_command_is_accepted(arguments: list[str]) -> None:
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        found = list(composed(arguments[0], arguments[1:]))
    assert len(found) > 1 if "-m" in arguments else len(found) == 1


def test_a_wrong_command_would_be_noticed() -> None:
    with (
        initialize_config_dir(str(conf_dir()), version_base="1.3"),
        pytest.raises(Exception, match="takes no argument"),
    ):
        list(composed("train", ["env=cartpole", "+generator.learnin_rate=1"]))


def test_what_a_command_reads_was_written_by_one_before_it() -> None:
    written: set[str] = set()
    for arguments in airl_commands(TUTORIAL):
        for argument in arguments:
            name, _, path = argument.partition("=")
            if arguments[0] in PATHS and not path and argument not in PATHS:
                name, path = PATHS[arguments[0]], argument
            read = argument.startswith(READS) or name == PATHS.get(arguments[0])
            if path and (read or (name == "path" and "record" not in arguments)):
                found = any(path == place or path.startswith(f"{place}/") for place in written)
                assert found, f"nothing before it makes {argument}"
        written |= {a.partition("=")[2] for a in arguments if a.startswith((*WRITES, "path="))}
    assert len(written) >= 7


def test_other_commands_exist() -> None:
    targets = re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    for words in commands(TUTORIAL):
        if words[0] == "make":
            assert words[1] in targets
        else:
            assert words[0] in ("airl", ".", "ls", "python"), words


def test_every_command_is_shown_and_its_output_filled_in() -> None:
    assert {arguments[0] for arguments in airl_commands(TUTORIAL)} >= set(COMMANDS)
    assert "@@" not in TUTORIAL.read_text()
