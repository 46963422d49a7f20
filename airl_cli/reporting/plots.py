"""Pictures of a run, readable in black and white."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from airl_cli.data.types import Trajectory
from airl_cli.serialization import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from airl_cli.rewards import RewardNet

_SIZE = (7.0, 4.0)  # inches
_DPI = 130


def learning_curve(
    rows: Sequence[Mapping[str, float]],
    expert_return: float,
    random_return: float,
    path: str | Path,
) -> None:
    """True return over environment steps, with the expert's and the random policy's level.

    Args:
        rows: Of `metrics.csv`, with `env_steps` and `true_return_mean`; rounds in which no
            episode ended (NaN) are left out.
        expert_return: Mean return of the expert; NaN draws no line.
        random_return: Mean return of random actions; NaN draws no line.
        path: PNG file to write.
    """
    figure, axes = _new_figure()
    steps = np.array([row["env_steps"] for row in rows], dtype=float)
    returns = np.array([row["true_return_mean"] for row in rows], dtype=float)
    known = np.isfinite(returns)
    axes.plot(steps[known], returns[known], "-o", color="black", markersize=3, label="learner")
    for level, style, name in ((expert_return, "--", "expert"), (random_return, ":", "random")):
        if np.isfinite(level):
            axes.axhline(level, linestyle=style, color="0.35", label=name)
    axes.set_xlim(left=0)
    axes.set_xlabel("environment steps")
    axes.set_ylabel("true return per episode")
    _finish(figure, axes, path)


def reward_along_episodes(
    reward_net: RewardNet,
    expert: Trajectory,
    random: Trajectory,
    path: str | Path,
    *,
    learner: Trajectory | None = None,
) -> None:
    """What a learned reward says at every step of an expert and of a random episode.

    Args:
        reward_net: Usually `reward_test`.
        expert: An episode of the expert.
        random: An episode of random actions.
        path: PNG file to write.
        learner: An episode of the learner, drawn too if given.
    """
    figure, axes = _new_figure()
    for episode, style, color, name in (
        (expert, "-", "black", "expert"),
        (learner, "-.", "0.3", "learner"),
        (random, "--", "0.5", "random"),
    ):
        if episode is None:
            continue
        axes.plot(rewards_of(reward_net, episode), style, color=color, linewidth=1.2, label=name)
    axes.set_xlabel("step of the episode")
    axes.set_ylabel("learned reward per step")
    _finish(figure, axes, path)


def rewards_of(reward_net: Any, episode: Trajectory) -> np.ndarray:
    """Learned rewards (T,) along an episode of T steps."""
    dones = np.zeros(len(episode), dtype=bool)
    dones[-1] = episode.terminal
    return reward_net.predict(episode.obs[:-1], episode.acts, episode.obs[1:], dones)


def _new_figure() -> tuple[Figure, Axes]:
    # Late, because it takes half a second; without pyplot, because that keeps global state and
    # looks for a display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _finish(figure: Figure, axes: Axes, path: str | Path) -> None:
    axes.legend(frameon=False)
    with atomic_write(path) as file:
        figure.savefig(file, format="png")
