"""The run directory: written while training, read by every later command."""

from airl_cli.runs.empty import discard_empty
from airl_cli.runs.loading import LoadedRun, load_reward, load_run
from airl_cli.runs.run import Run

__all__ = ["LoadedRun", "Run", "discard_empty", "load_reward", "load_run"]
