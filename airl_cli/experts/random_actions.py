"""The worst demonstrator there is: a baseline for experiments with imperfect demonstrations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from airl_cli.experts.base import PolicyExpert, Sampling
from airl_cli.limits import Count

if TYPE_CHECKING:
    from airl_cli.envs import EnvSpec


@dataclass
class RandomExpert(PolicyExpert):
    """Uniformly random actions.

    Args:
        n_episodes: Whole episodes of demonstrations.
        subsample: Train on every k-th transition only.
        use_actions: Show actions; False: observations alone.

    Raises:
        InvalidValueError: If a number is not positive.
    """

    source: ClassVar[str] = "random"

    n_episodes: Count = 32
    subsample: Count = 1
    use_actions: bool = True

    def __post_init__(self) -> None:
        self.sampling = Sampling(
            self.n_episodes, subsample=self.subsample, use_actions=self.use_actions
        )

    def policy_for(self, env: EnvSpec, *, seed: int) -> tuple[None, dict[str, Any]]:
        """No policy: actions are drawn from the action space."""
        return None, {}
