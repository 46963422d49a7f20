"""TensorBoard summaries of single discriminator updates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from airl_cli.algorithms.batch import TransitionBatch
from airl_cli.rewards.base import RewardNet


class DiscriminatorSummaries:
    """Writes one point per update, and the reward net's graph once.

    Args:
        log_dir: The events go to `summary` below it.
        graph: Whether to write the graph.
    """

    def __init__(self, log_dir: str | Path, graph: bool = False) -> None:
        self._writer = SummaryWriter(str(Path(log_dir) / "summary"))
        self._graph_pending = graph
        self.step = 0
        """The next update's number."""

    def write(
        self, stats: Mapping[str, float], reward_net: RewardNet, batch: TransitionBatch
    ) -> None:
        """Writes the figures of an update.

        Args:
            stats: Of the update.
            reward_net: For the graph.
            batch: Some transitions, to trace the graph with.
        """
        for name, value in stats.items():
            self._writer.add_scalar(f"disc/{name}", value, self.step)
        if self._graph_pending:
            self._writer.add_graph(reward_net, reward_net.preprocess(*batch))
            self._graph_pending = False
        self._writer.flush()
        self.step += 1
