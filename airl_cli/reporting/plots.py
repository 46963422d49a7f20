"""Pictures of a run, readable in black and white."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from airl_cli.data.types import Trajectory
from airl_cli.reporting.table import number
from airl_cli.serialization import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from airl_cli.rewards import RewardNet

_SIZE = (7.0, 4.0)  # inches
_DPI = 130
_BINS = 24
_HATCHES = ("", "///", "...", "xx", "\\\\")
_MARKED_AT_MOST = 60  # points; more of them hide the line


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
    steps, returns = _column(rows, "env_steps"), _column(rows, "true_return_mean")
    known = np.isfinite(returns)
    marker = "o" if known.sum() <= _MARKED_AT_MOST else ""
    axes.plot(
        *(steps[known], returns[known]),
        linestyle="-",
        marker=marker,
        color="black",
        markersize=3,
        label="learner",
    )
    for level, style, name in ((expert_return, "--", "expert"), (random_return, ":", "random")):
        if np.isfinite(level):
            axes.axhline(level, linestyle=style, color="0.35", label=name)
    _steps_axis(axes)
    axes.set_ylabel("true return per episode (sum of rewards)")
    _finish(figure, axes, path)


def discriminator_curves(rows: Sequence[Mapping[str, float]], path: str | Path) -> None:
    """Accuracy and loss of the discriminator over environment steps.

    Args:
        rows: Of `metrics.csv`, with `env_steps` and the discriminator's figures.
        path: PNG file to write.
    """
    figure, (accuracy, loss) = _new_panels(2, _SIZE[1] * 1.2)
    steps = _column(rows, "env_steps")
    for name, style, color, label in (
        ("disc_acc", "-", "black", "all samples"),
        ("disc_acc_expert", "--", "0.4", "of the expert"),
        ("disc_acc_gen", ":", "0.25", "of the generator"),
    ):
        accuracy.plot(steps, _column(rows, name), style, color=color, linewidth=1.2, label=label)
    accuracy.set_ylim(-0.03, 1.03)
    accuracy.set_ylabel("accuracy (share)")
    accuracy.legend(frameon=False, ncols=3)
    loss.plot(steps, _column(rows, "disc_loss"), "-", color="black", linewidth=1.2, label="loss")
    loss.axhline(np.log(2), linestyle="-.", color="0.35", label="chance (ln 2)")
    loss.set_ylim(bottom=0)
    loss.set_ylabel("loss (nats per sample)")
    _steps_axis(loss)
    _finish(figure, loss, path)


def return_histogram(returns: Mapping[str, np.ndarray], path: str | Path) -> None:
    """How the true returns of policies are distributed, one panel each on a common axis.

    Args:
        returns: By the policy's name, true returns (n,); one without any has no panel.
        path: PNG file to write.
    """
    from matplotlib.ticker import MaxNLocator

    shown = {name: np.asarray(values) for name, values in returns.items() if len(values)}
    figure, all_axes = _new_panels(len(shown), 1.0 + 1.1 * len(shown))
    bins = np.histogram_bin_edges(np.concatenate([*shown.values()]), bins=_BINS)
    for axes, (name, values), hatch in zip(all_axes, shown.items(), cycle(_HATCHES), strict=False):
        axes.hist(values, bins=list(bins), facecolor="0.85", edgecolor="black", hatch=hatch)
        axes.axvline(values.mean(), linestyle="--", color="black", linewidth=1.5)
        about = f"{name}: mean {number(float(values.mean()))}, {len(values):,} episodes"
        axes.set_title(about, loc="left", fontsize="medium")
        axes.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
        axes.margins(y=0.1)
    all_axes[-1].set_xlabel("true return per episode (dashed: mean)")
    figure.supylabel("episodes", fontsize="medium")
    _save(figure, path)


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


def _column(rows: Sequence[Mapping[str, float]], name: str) -> np.ndarray:
    return np.array([row.get(name, np.nan) for row in rows], dtype=float)


def _new_figure() -> tuple[Figure, Axes]:
    figure, (axes,) = _new_panels(1, _SIZE[1])
    return figure, axes


def _new_panels(number: int, height: float) -> tuple[Figure, Sequence[Axes]]:
    """A figure of that height in inches, and axes one below the other with a common x-axis."""
    # Late, because it takes half a second; without pyplot, because that keeps global state and
    # looks for a display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_SIZE[0], height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(number, 1, sharex=True, squeeze=False)[:, 0]
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, list(panels)


def _steps_axis(axes: Axes) -> None:
    axes.set_xlim(left=0)
    axes.set_xlabel("environment steps")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def _finish(figure: Figure, axes: Axes, path: str | Path) -> None:
    axes.legend(frameon=False)
    _save(figure, path)


def _save(figure: Figure, path: str | Path) -> None:
    with atomic_write(path) as file:
        figure.savefig(file, format="png")
