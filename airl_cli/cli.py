"""`airl <command> [Hydra overrides]`: finds the command, hands over to Hydra, reports mistakes.

Nothing heavy is imported before a command is known, so that `airl --help` answers at once.
"""

import io
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from airl_cli.commands import COMMANDS, PATHS, VERBS
from airl_cli.errors import AirlError
from airl_cli.text import printable

if TYPE_CHECKING:
    import argparse

    from omegaconf import DictConfig

_LONGEST_LINE = 2000

OPTIONS = ("--help", "-h", "--version", "--shell-completion", "-sc")

USAGE = """\
Usage: airl <command> [group=option ...] [key=value ...]

Adversarial inverse reinforcement learning on any Gymnasium environment.

Commands:
{commands}

Options:
  -h, --help  this list; airl <command> --help lists the command's groups and keys
  --version   the version
  -sc install=bash (or zsh, fish): eval "$(airl -sc install=bash)" completes as you type

Examples:
  airl train env=cartpole reward=shaped
  airl train env=pendulum seed=1 generator.learning_rate=1e-3
  airl train -m seed=0,1,2 reward=basic,shaped experiment=smoke
  airl train env=pendulum --cfg job --resolve
  airl report outputs/train/cartpole
"""


class UsageError(AirlError):
    """The command line cannot be understood."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line.

    Args:
        argv: Arguments without the program's name; those of the process by default.

    Returns:
        The exit code: 0, 2 for a mistake the user can mend, 1 for anything else that failed,
        130 or 143 for an interrupted run.
    """
    _prepare_streams()
    code = _run(list(sys.argv[1:] if argv is None else argv))
    try:
        sys.stdout.flush()
    except OSError as error:  # the device is full
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"error: the output cannot be written: {error.strerror}", file=sys.stderr)
        return code or 1
    return code


def _run(argv: list[str]) -> int:
    """Runs a command line, reports what went wrong, and gives the exit code."""
    try:
        _dispatch(argv)
    except AirlError as error:
        if _full_errors():
            import traceback

            traceback.print_exc()
        _print_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `airl train --help | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0


def _prepare_streams() -> None:
    """Any text can be printed: as escapes on ASCII terminals, not at all on closed ones."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - as long as the process
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _print_error(error: AirlError) -> None:
    """Problem and remedy, each on a line, without control characters of whatever they quote."""
    problem = error.problem.split("\n") if error.several_lines else [error.problem]
    problem[0] = f"error: {problem[0]}"
    for line in (*problem, *([error.remedy] if error.remedy else ())):
        print(printable(line, _LONGEST_LINE), file=sys.stderr)


def _dispatch(argv: list[str]) -> None:
    if not argv or argv[0] in ("--help", "-h", "help"):
        width = max(map(len, COMMANDS))
        rows = "\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())
        print(USAGE.format(commands=rows))
    elif "--version" in argv:
        from importlib.metadata import version

        print(f"airl {version('airl-cli')}")
    elif argv[0] in ("-sc", "--shell-completion"):
        from airl_cli.completion import complete

        complete(argv, _run_command)
    elif argv[0] in COMMANDS and any(word in ("--help", "-h") for word in argv):
        _show_help(argv[0], argv[1:])
    elif argv[0] in VERBS:
        _dispatch_verb(argv[0], argv[1:])
    elif argv[0] in COMMANDS:
        _run_command(argv[0], argv[1:])
    else:
        raise _unknown_command(argv[0])


def _show_help(command: str, arguments: list[str]) -> None:
    """Help of a command, or of the groups and keys that stand beside `--help`."""
    from airl_cli.help import show_help

    flags = _parse_flags(command, [word for word in arguments if word not in ("--help", "-h")])
    show_help(
        command,
        [word for word in flags.overrides if word not in VERBS.get(command, ())],
        flags.config_dir,
    )


def _dispatch_verb(command: str, arguments: list[str]) -> None:
    """Runs `airl <command> <verb> ...`; the verb reaches the config under the key `verb`."""
    verbs = VERBS[command]
    if arguments and arguments[0] in verbs:
        _run_command(command, [*arguments[1:], f"verb={arguments[0]}"])
    elif arguments and arguments[0].startswith("-"):
        _run_command(command, arguments)  # --help and the like
    else:
        from airl_cli.errors import did_you_mean

        listed = f"Verbs: {', '.join(verbs)}; airl {command} --help explains them."
        if not arguments:
            raise UsageError(f"airl {command} needs a verb.", listed)
        guess = did_you_mean(arguments[0], verbs)
        raise UsageError(f"airl {command} has no verb {arguments[0]!r}.", guess or listed)


def _unknown_command(word: str) -> UsageError:
    from airl_cli.errors import did_you_mean

    if word.startswith("-"):
        problem, known = f"there is no option {word!r}.", list(OPTIONS)
    elif "=" in word:
        return UsageError(f"{word!r} comes before a command.", f"Did you mean 'airl train {word}'?")
    else:
        problem, known = f"there is no command {word!r}.", list(COMMANDS)
    return UsageError(problem, did_you_mean(word, known) or "airl --help lists the commands.")


def _run_command(command: str, arguments: list[str]) -> None:
    """Lets Hydra compose the config and run the jobs; every failure leaves as an `AirlError`."""
    import hydra

    from airl_cli.config import conf_dir

    def job(cfg: "DictConfig") -> Any:  # a closure: cloudpickle sends it to other processes whole
        from airl_cli.commands.job import run_job

        return run_job(command, cfg)

    flags = _parse_flags(command, arguments)
    options = _without(arguments, flags.overrides)
    flags.overrides = _named_paths(command, [_without_tilde(word) for word in flags.overrides])
    config_dir = conf_dir()
    entry = hydra.main(config_path=str(config_dir), config_name=command, version_base="1.3")(job)
    try:
        with _hydra_process([*options, *flags.overrides]):
            entry()
    except BrokenPipeError:
        raise
    except Exception as error:
        raise _explained(error, command, flags) from error


def _explained(error: Exception, command: str, flags: "argparse.Namespace") -> AirlError:
    from airl_cli.commands.job import UnexpectedError
    from airl_cli.commands.sweep import SweepFailures, sweep_error
    from airl_cli.config.hydra_errors import explain
    from airl_cli.sweeps.extras import LauncherFailedError

    ours = _airl_error(error)
    launched = not isinstance(ours, LauncherFailedError)
    folder, SweepFailures.sweep_dir = SweepFailures.sweep_dir, None
    if flags.multirun and launched and folder is not None:
        failures = sweep_error(folder)
        if failures is not None:
            return failures
    if ours is not None:
        return ours
    explanation = explain(error, command, flags.overrides, flags.config_dir)
    if explanation is not None:
        return explanation
    return UnexpectedError(
        f"{type(error).__name__}: {error}", "HYDRA_FULL_ERROR=1 shows where it comes from."
    )


def _airl_error(error: BaseException | None) -> AirlError | None:
    """The error itself, or the one behind it: Hydra wraps what a launcher refuses."""
    while error is not None and not isinstance(error, AirlError):
        error = error.__cause__
    return error


def _parse_flags(command: str, arguments: list[str]) -> "argparse.Namespace":
    """Hydra's flags and overrides, in any order; unknown or wrong ones raise `UsageError`."""
    from hydra._internal.utils import get_args_parser

    from airl_cli.errors import did_you_mean

    parser = get_args_parser()

    def refuse(message: str) -> None:
        raise UsageError(f"{message}.", f"airl {command} --hydra-help lists the options.")

    parser.error = refuse  # type: ignore[method-assign, assignment]
    flags, unknown = parser.parse_known_intermixed_args(arguments)
    if flags.experimental_rerun:
        raise UsageError(
            "--experimental-rerun is not offered: it executes what a pickle says.",
            f"Repeat the command, or use airl {command} resume=<directory>.",
        )
    if unknown:
        known = [option for action in parser._actions for option in action.option_strings]
        option = unknown[0].split("=")[0]
        raise UsageError(
            f"there is no option {option!r}.",
            did_you_mean(option, known) or f"airl {command} --hydra-help lists the options.",
        )
    return flags


def _without(arguments: list[str], overrides: list[str]) -> list[str]:
    rest = list(arguments)
    for override in reversed(overrides):
        last = len(rest) - 1 - rest[::-1].index(override)
        del rest[last]
    return rest


def _named_paths(command: str, overrides: list[str]) -> list[str]:
    """Plain paths as the override that they stand for, where a command takes some."""
    key = PATHS.get(command)
    paths = [word for word in overrides if key and _is_path(word)]
    if not paths:
        return overrides
    rest = [word for word in overrides if word not in paths]
    if any(word.startswith(f"{key}=") for word in rest):
        raise UsageError(
            f"{paths[0]!r} is given beside {key}=...", f"Give all of them plainly, or {key}=[a,b]."
        )
    from hydra.core.override_parser.types import Quote, QuotedString

    # As they are: neither quotes nor ${...} in a path mean anything.
    quoted = [
        QuotedString(text=path.replace("${", "\\${"), quote=Quote.single).with_quotes()
        for path in paths
    ]
    return [*rest, f"{key}=[{','.join(quoted)}]"]


def _without_tilde(override: str) -> str:
    """An override whose value begins with `~/` or `~user/`, with the home folder in its place.

    Shells leave it as it is behind a `=`, and Hydra's grammar does not know it.
    """
    key, equals, value = override.partition("=")
    if not equals or not value.startswith("~") or any(sign in value for sign in "'\"[]{}(),"):
        return override
    from hydra.core.override_parser.types import Quote, QuotedString

    path = os.path.expanduser(value).replace("${", "\\${")
    return f"{key}={QuotedString(text=path, quote=Quote.single).with_quotes()}"


def _is_path(word: str) -> bool:
    """Whether a word is no override: those have a `=` or begin with `~`."""
    return os.path.exists(word) or not ("=" in word or word.startswith("~"))


@contextmanager
def _hydra_process(arguments: list[str]) -> Iterator[None]:
    """What Hydra reads from the process: arguments, and that exceptions are to reach us."""
    saved = sys.argv, os.environ.get("HYDRA_FULL_ERROR"), sys.stderr, logging.raiseExceptions
    logging.raiseExceptions = False  # training goes on when nobody reads the console any more
    sys.argv = [sys.argv[0] or "airl", *arguments]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    sys.stderr = _JobErrorFilter(sys.stderr)
    try:
        yield
    finally:
        sys.argv, full_error, sys.stderr, logging.raiseExceptions = saved
        if full_error is None:
            os.environ.pop("HYDRA_FULL_ERROR", None)
        else:
            os.environ["HYDRA_FULL_ERROR"] = full_error


def _full_errors() -> bool:
    return os.environ.get("HYDRA_FULL_ERROR") == "1"


class _JobErrorFilter:
    """Drops Hydra's own line about a failed job: the report that follows says more."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        if text.startswith("Error executing job with overrides:"):
            return len(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
