"""What an expert is: something that yields demonstrations for an environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from airl_cli.data.types import TrajectoryWithRew, true_returns

if TYPE_CHECKING:
    from stable_baselines3.common.policies import BasePolicy

    from airl_cli.envs import EnvSpec

Report = Callable[[str], None]
"""Takes one line of news for the user, e.g. `logging.Logger.info`."""


def silent(message: str) -> None:
    """A `Report` that says nothing."""


@dataclass(frozen=True)
class Demonstrations:
    """Whole episodes of an expert and where they came from.

    Attributes:
        trajectories: The episodes, with their true rewards.
        policy: The expert itself; None when only recordings of it exist.
        provenance: JSON-able: `source`, `n_episodes`, `n_transitions`, `return_mean`, and what
            the source adds (`cache`, `reused`, ...).
        seconds: Wall-clock time it took to get them, training included.
    """

    trajectories: Sequence[TrajectoryWithRew]
    policy: BasePolicy | None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def returns(self) -> np.ndarray:
        """True returns (n_episodes,)."""
        return true_returns(self.trajectories)


def describe_demonstrations(
    trajectories: Sequence[TrajectoryWithRew], *, source: str, seed: int, **more: Any
) -> dict[str, Any]:
    """The provenance that every source records; `more` adds to it."""
    returns = true_returns(trajectories)
    return {
        "source": source,
        "seed": seed,
        "n_episodes": len(trajectories),
        "n_transitions": sum(len(trajectory) for trajectory in trajectories),
        "return_mean": float(np.mean(returns)),
        "return_std": float(np.std(returns)),
        **more,
    }


class Expert(Protocol):
    """A source of demonstrations; `conf/expert/*.yaml` names one each."""

    def demonstrations(self, env: EnvSpec, *, seed: int, report: Report = silent) -> Demonstrations:
        """Episodes of the expert in `env`.

        Args:
            env: The environment of the run.
            seed: The run's seed: other seeds give other demonstrations.
            report: Gets a line when something takes long or was reused.

        Raises:
            InvalidValueError: If this expert cannot serve this environment.
        """
