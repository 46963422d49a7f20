"""Plots of a run, readable in black and white."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from airl_cli.evaluation.statistics import mean
from airl_cli.evaluation.tables import number
from airl_cli.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from airl_cli.data.types import Trajectory
    from airl_cli.evaluation.returns import Evaluation
    from airl_cli.rewards import RewardNet

_SIZE = (7.0, 4.0)  # inches
_DPI = 130
_BINS = 24
_STROKES, _MARKERS = ("-", "--", ":"), ("o", "s", "^")
_HATCHES = ("", "///", "...", "xx", "\\\\")
_MAX_MARKERS = 60  # points; more of them hide the line


def draw_training(
    folder: Path,
    rows: Sequence[Mapping[str, float]],
    evaluation: Evaluation,
    reward_net: RewardNet | None,
    *,
    expert: Trajectory | None,
    random: Trajectory | None,
) -> list[Path]:
    """Everything that a finished run has to show.

    Args:
        folder: Where the PNG files go.
        rows: Of `metrics.csv`.
        evaluation: Of the trained policy.
        reward_net: The learned reward; None where none is learned.
        expert: An episode of the expert; None: no plot of the reward along episodes.
        random: An episode of random actions; None likewise.

    Returns:
        The files.
    """
    title = f"{evaluation.env_id}, seed {evaluation.seed}"
    if np.isfinite(evaluation.normalized_score):
        title += f", score {evaluation.normalized_score:.2f}"
    levels = mean(evaluation.expert_returns), mean(evaluation.random_returns)
    drawn = [folder / "learning_curve.png", folder / "returns.png"]
    if rows and "log_prob" in rows[0]:
        likelihood_curve(rows, drawn[0], title=title)
    else:
        learning_curve(rows, *levels, drawn[0], title=title)
    return_histogram(evaluation.rows(), drawn[1], title=title)
    if rows and "disc_loss" in rows[0]:
        drawn.append(folder / "discriminator.png")
        discriminator_curves(rows, drawn[-1], title=title)
    if reward_net is not None and expert is not None and random is not None:
        drawn.append(folder / "reward.png")
        reward_along_episodes(reward_net, expert, random, drawn[-1], title=title)
    return drawn


def learning_curve(
    rows: Sequence[Mapping[str, float]],
    expert_return: float,
    random_return: float,
    path: str | Path,
    *,
    title: str = "",
) -> None:
    """True return over environment steps, with the expert's and the random policy's level.

    Args:
        rows: Of `metrics.csv`, with `env_steps` and `true_return_mean`; rounds in which no
            episode ended (NaN) are left out.
        expert_return: Mean return of the expert; NaN draws no line.
        random_return: Mean return of random actions; NaN draws no line.
        path: PNG file to write.
        title: Above the plot.
    """
    figure, axes = _single_panel()
    steps, returns = _column(rows, "env_steps"), _column(rows, "true_return_mean")
    known = np.isfinite(returns)
    marker = "o" if known.sum() <= _MAX_MARKERS else ""
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
    _legend_above(axes)
    _save_titled(figure, title, path)


def likelihood_curve(
    rows: Sequence[Mapping[str, float]], path: str | Path, *, title: str = ""
) -> None:
    """Log-likelihood of the demonstrated actions over the samples that were trained on.

    Args:
        rows: Of the `metrics.csv` of behaviour cloning, with `samples` and `log_prob`.
        path: PNG file to write.
        title: Above the plot.
    """
    figure, axes = _single_panel()
    axes.plot(_column(rows, "samples"), _column(rows, "log_prob"), "-", color="black")
    _steps_axis(axes, "demonstrated transitions trained on")
    axes.set_ylabel("mean log-probability of actions (nats)")
    _save_titled(figure, title, path)


def discriminator_curves(
    rows: Sequence[Mapping[str, float]], path: str | Path, *, title: str = ""
) -> None:
    """Accuracy and loss of the discriminator over environment steps.

    Args:
        rows: Of `metrics.csv`, with `env_steps` and the discriminator's figures.
        path: PNG file to write.
        title: Above the plot.
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
    _legend_above(accuracy)
    loss.plot(steps, _column(rows, "disc_loss"), "-", color="black", linewidth=1.2, label="loss")
    loss.axhline(np.log(2), linestyle="-.", color="0.35", label="chance (ln 2)")
    loss.set_ylim(bottom=0)
    loss.set_ylabel("loss (nats per sample)")
    _steps_axis(loss)
    _legend_above(loss)
    _save_titled(figure, title, path)


def return_histogram(
    returns: Mapping[str, np.ndarray], path: str | Path, *, title: str = ""
) -> None:
    """How the true returns of policies are distributed, one panel each on a common axis.

    Args:
        returns: By the policy's name, true returns (n,); one without any has no panel.
        path: PNG file to write.
        title: Above the plot.
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
    _save_titled(figure, title, path)


def reward_along_episodes(
    reward_net: RewardNet,
    expert: Trajectory,
    random: Trajectory,
    path: str | Path,
    *,
    learner: Trajectory | None = None,
    title: str = "",
) -> None:
    """What a learned reward says at every step of an expert and of a random episode.

    Args:
        reward_net: Usually `reward_test`.
        expert: An episode of the expert.
        random: An episode of random actions.
        path: PNG file to write.
        learner: An episode of the learner, drawn too if given.
        title: Above the plot.
    """
    figure, axes = _single_panel()
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
    _legend_above(axes)
    _save_titled(figure, title, path)


def rewards_of(reward_net: Any, episode: Trajectory) -> np.ndarray:
    """Learned rewards (T,) along an episode of T steps."""
    dones = np.zeros(len(episode), dtype=bool)
    dones[-1] = episode.terminal
    return reward_net.predict(episode.obs[:-1], episode.acts, episode.obs[1:], dones)


def heat_map(
    panels: Mapping[str, np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    labels: Sequence[str],
    paths: Mapping[str, np.ndarray],
    path: str | Path,
) -> None:
    """Rewards over two dimensions of the state, one panel each, in shades of grey.

    Lighter is more. Unreachable places are hatched. Episodes run over the map as lines that
    differ by stroke, with a marker where each begins.

    Args:
        panels: By title, rewards (len(y), len(x)); NaN where a state cannot be reached.
        x: Coordinates of the columns.
        y: Coordinates of the rows.
        labels: Names of the two axes.
        paths: By name, the two coordinates (T, 2) along an episode.
        path: PNG file to write.
    """
    figure = new_figure(5.2 * len(panels), 4.6)
    all_axes = figure.subplots(1, len(panels), squeeze=False, sharex=True, sharey=True)[0]
    for axes, (title, rewards) in zip(all_axes, panels.items(), strict=True):
        axes.patch.set(facecolor="white", edgecolor="0.6", hatch="///")
        mesh = axes.pcolormesh(x, y, np.ma.masked_invalid(rewards), cmap="gray", shading="nearest")
        figure.colorbar(mesh, ax=axes, label="reward per step")
        _draw_paths(axes, paths)
        axes.set_title(title)
        axes.set_xlabel(labels[0])
        axes.set_xlim(x[0], x[-1])
        axes.set_ylim(y[0], y[-1])
    all_axes[0].set_ylabel(labels[1])
    figure.legend(*all_axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    save(figure, path)


def _draw_paths(axes: Axes, paths: Mapping[str, np.ndarray]) -> None:
    """Black strokes with a white edge: to be seen on every grey."""
    from matplotlib.patheffects import withStroke

    edge = [withStroke(linewidth=3.5, foreground="white")]
    for (name, points), style, marker in zip(paths.items(), _STROKES, _MARKERS, strict=False):
        axes.plot(
            points[:, 0],
            points[:, 1],
            style,
            color="black",
            linewidth=1.3,
            marker=marker,
            markevery=[0],
            markerfacecolor="white",
            label=name,
            path_effects=edge,
        )


def _column(rows: Sequence[Mapping[str, float]], name: str) -> np.ndarray:
    return np.array([row.get(name, np.nan) for row in rows], dtype=float)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that size in inches."""
    # Late, because it takes half a second; without pyplot, because that keeps global state and
    # looks for a display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: str | Path) -> None:
    """Writes a PNG file, or leaves what was there."""
    with atomic_write(path) as file:
        figure.savefig(file, format="png")


def _single_panel() -> tuple[Figure, Axes]:
    figure, (axes,) = _new_panels(1, _SIZE[1])
    return figure, axes


def _new_panels(n: int, height: float) -> tuple[Figure, Sequence[Axes]]:
    """A figure of that height in inches, and axes one below the other with a common x-axis."""
    figure = new_figure(_SIZE[0], height)
    panels = figure.subplots(n, 1, sharex=True, squeeze=False)[:, 0]
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, list(panels)


def _steps_axis(axes: Axes, label: str = "environment steps") -> None:
    axes.set_xlim(left=0)
    axes.set_xlabel(label)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def _legend_above(axes: Axes) -> None:
    """A legend between title and plot, where it covers nothing."""
    axes.legend(frameon=False, ncols=4, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)


def _save_titled(figure: Figure, title: str, path: str | Path) -> None:
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize="medium")
    save(figure, path)
