"""What can go wrong for a user: a problem that names the value, and a remedy.

The library raises these where Python's own `ValueError` or `TypeError` is the documented
contract (they derive from them); the command line prints them as two lines without a traceback.
"""

import difflib
from collections.abc import Iterable

from airl_cli.text import printable


class AirlError(Exception):
    """A mistake that the user can mend.

    Args:
        problem: What is wrong, naming the offending value and the reason.
        remedy: What to do about it; may be empty.
    """

    exit_code = 2
    several_lines = False
    """Whether `problem` is a list, a line each."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}\n{self.remedy}" if self.remedy else self.problem


class InvalidValueError(AirlError, ValueError):
    """A value outside what is allowed."""


class InvalidTypeError(AirlError, TypeError):
    """An object of a kind that cannot be used here."""


class NotFoundError(AirlError, FileNotFoundError):
    """A file, folder or name that does not exist."""

    def __str__(self) -> str:
        return AirlError.__str__(self)


class RunFailedError(AirlError, RuntimeError):
    """Training had begun and cannot go on; what was good so far is kept on disk."""

    exit_code = 1


class NonFiniteError(RunFailedError, FloatingPointError):
    """NaN or infinity appeared in a loss, a reward or a weight."""

    def add_round(self, number: int) -> None:
        """Says in which round it happened."""
        self.problem = f"round {number}: {self.problem}"


class NonFiniteEnvironmentError(NonFiniteError):
    """NaN or infinity came from the environment: a mistake in it, not of the training."""

    exit_code = 2


def one_line(error: BaseException, limit: int = 200) -> str:
    """An exception's message on one printable line, cut at `limit` characters, or its class."""
    return printable(" ".join(str(error).split()) or type(error).__name__, limit)


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """The known names that `word` may have meant, the likeliest first; at most three.

    A dotted key is compared as a whole and then by its last part, another word by the last part
    alone, so that `total_timestep` finds `trainer.total_timesteps`.
    """
    names = sorted(set(known))
    whole = difflib.get_close_matches(word, names, n=1, cutoff=0.7) if "." in word else []
    if whole:
        return whole
    leaves = {name.rpartition(".")[2] for name in names}
    leaf = difflib.get_close_matches(word.rpartition(".")[2], leaves, n=1, cutoff=0.7)
    return [name for name in names if leaf and name.rpartition(".")[2] == leaf[0]][:3]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`Did you mean '...'?`, or nothing where no known name is near."""
    names = nearest(word, known)
    return f"Did you mean {' or '.join(map(repr, names))}?" if names else ""
