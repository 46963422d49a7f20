"""The pictures in a run's `plots/`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from airl_cli.evaluation import mean
from airl_cli.runs import layout
from airl_cli.runs.metrics import read_metrics

if TYPE_CHECKING:
    from airl_cli.evaluation import Baseline, Evaluation
    from airl_cli.experts import Demonstrations


def draw_run(
    run: Path,
    trainer: Any,
    evaluation: Evaluation,
    demonstrations: Demonstrations | None,
    random: Baseline | None,
) -> list[Path]:
    """Draws what a finished run has to show.

    Args:
        run: The run directory, with its metrics.
        trainer: Trained; gives `reward_test`.
        evaluation: Of its policy.
        demonstrations: For the reward along an episode of the expert; None: not drawn.
        random: Likewise, along random actions.

    Returns:
        The files.
    """
    from airl_cli.reporting import plots

    folder = run / layout.PLOTS
    rows = read_metrics(run / layout.METRICS)
    expert, baseline = mean(evaluation.expert_returns), mean(evaluation.random_returns)
    drawn = [folder / "learning_curve.png", folder / "returns.png"]
    plots.learning_curve(rows, expert, baseline, drawn[0])
    plots.return_histogram(evaluation.rows(), drawn[1])
    if rows and "disc_loss" in rows[0]:
        drawn.append(folder / "discriminator.png")
        plots.discriminator_curves(rows, drawn[-1])
    if demonstrations is not None and random is not None:
        drawn.append(folder / "reward.png")
        plots.reward_along_episodes(
            trainer.reward_test, demonstrations.trajectories[0], random.episode, drawn[-1]
        )
    return drawn
