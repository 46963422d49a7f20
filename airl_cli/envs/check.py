"""Episodes of different length leak reward."""

from __future__ import annotations

from collections.abc import Iterable

from airl_cli.errors import InvalidValueError


def check_fixed_horizon(
    lengths: Iterable[float], *, allow_variable_horizon: bool, what: str = "episodes"
) -> None:
    """Refuse episodes of different length, unless they are explicitly allowed.

    When an episode's end depends on what the policy does, a reward that is merely positive
    everywhere makes it live on, and a negative one makes it die, whatever was learned: the end of
    the episode carries information about the true reward, and scores look better (or worse) than
    the learned reward deserves (Kostrikov et al. 2019, arXiv 1809.02925, section 4.1).

    Args:
        lengths: Episode lengths in steps; fewer than two show nothing.
        allow_variable_horizon: Say nothing.
        what: What the lengths belong to, for the message, such as `"the expert's episodes"`.

    Raises:
        InvalidValueError: If lengths differ.
    """
    seen = set(map(int, lengths))
    if allow_variable_horizon or len(seen) < 2:
        return
    raise InvalidValueError(
        f"{what} differ in length (from {min(seen)} to {max(seen)} steps): such an environment "
        "tells the learner about the true reward by ending episodes, because any positive learned "
        "reward rewards staying alive (Kostrikov et al. 2019), so results mislead.",
        "Use an environment with a fixed horizon (those of seals are made for this), or accept it "
        "with trainer.allow_variable_horizon=true.",
    )
