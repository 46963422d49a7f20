"""The nearest known name to one that does not exist."""

import difflib
from collections.abc import Iterable


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
