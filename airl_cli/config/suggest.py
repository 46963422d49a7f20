"""The nearest known name to one that does not exist."""

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name that `word` most likely meant, or None.

    A dotted key is compared as a whole first and then by its last part, so that `total_timestep`
    finds `trainer.total_timesteps`.
    """
    names = sorted(set(known))
    whole = difflib.get_close_matches(word, names, n=1, cutoff=0.7)
    if whole:
        return whole[0]
    by_leaf: dict[str, str] = {}
    for name in names:
        by_leaf.setdefault(name.rpartition(".")[2], name)
    leaf = difflib.get_close_matches(word.rpartition(".")[2], list(by_leaf), n=1, cutoff=0.75)
    return by_leaf[leaf[0]] if leaf else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`Did you mean '...'?`, or nothing where no known name is near."""
    name = nearest(word, known)
    return f"Did you mean {name!r}?" if name else ""
