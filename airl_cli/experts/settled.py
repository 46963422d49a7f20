"""When an expert's training has nothing more to learn from."""

from __future__ import annotations

from collections import deque

from stable_baselines3.common.callbacks import BaseCallback

from airl_cli.experts.base import log
from airl_cli.text import return_text


class StopWhenSettled(BaseCallback):
    """Ends `learn` when returns neither differ nor rise any more.

    That is: the latest episodes all returned the same, no episode before returned more, and one
    returned less. It takes policies that balance or survive until the time limit, or that always
    reach the goal for a reward of its own. Where returns differ from episode to episode, it never
    happens; nor where all returned the same from the start (a goal that was never reached).

    Args:
        n_episodes: How many latest ones.

    Attributes:
        settled: Whether it has happened.
    """

    def __init__(self, n_episodes: int = 100) -> None:
        super().__init__()
        self._latest: deque[float] = deque(maxlen=n_episodes)
        self._lowest, self._highest = float("inf"), float("-inf")
        self.settled = False

    def _on_step(self) -> bool:
        # Of `Monitor`: true returns, whatever scales rewards.
        ended = [info["episode"]["r"] for info in self.locals["infos"] if "episode" in info]
        if not ended:
            return True
        self._latest.extend(ended)
        self._lowest = min(self._lowest, *ended)
        self._highest = max(self._highest, *ended)
        self.settled = self._is_settled()
        if not self.settled:
            return True
        log.info(
            f"expert: the last {len(self._latest)} episodes all returned "
            f"{return_text(self._highest)}, and none before more; it ends after "
            f"{self.num_timesteps:,} steps"
        )
        return False

    def _is_settled(self) -> bool:
        latest = self._latest
        if len(latest) < (latest.maxlen or 0) or self._lowest == self._highest:
            return False
        return min(latest) == self._highest
