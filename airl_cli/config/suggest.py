"""The nearest known name to one that does not exist."""

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """The known names that `word` may have meant, the likeliest first; at most three.

    A dotted key is compared as a whole and by its last part, so that `total_timestep` finds
    `trainer.total_timesteps`.
    """
    names = sorted(set(known))
    leaf = word.rpartition(".")[2]
    leaves = {name.rpartition(".")[2] for name in names}
    if leaf not in leaves:
        whole = difflib.get_close_matches(word, names, n=1, cutoff=0.7)
        if whole:
            return whole
        leaf = next(iter(difflib.get_close_matches(leaf, leaves, n=1, cutoff=0.75)), "")
    return [name for name in names if leaf and name.rpartition(".")[2] == leaf][:3]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`Did you mean '...'?`, or nothing where no known name is near."""
    names = nearest(word, known)
    return f"Did you mean {' or '.join(map(repr, names))}?" if names else ""
