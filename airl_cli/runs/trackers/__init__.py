"""Places that remember runs: TensorBoard, CSV, Weights & Biases, MLflow."""

from airl_cli.runs.trackers.base import RunFacts, Tracker
from airl_cli.runs.trackers.local import CSV, TensorBoard
from airl_cli.runs.trackers.mlflow import MLflow
from airl_cli.runs.trackers.wandb import WandB

__all__ = ["CSV", "MLflow", "RunFacts", "TensorBoard", "Tracker", "WandB"]
