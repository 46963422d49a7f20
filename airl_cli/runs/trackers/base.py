"""What a place that remembers runs is told, and when."""

from __future__ import annotations

import abc
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from airl_cli.runs.keys import WITHOUT_EFFECT, matches

Value = bool | int | float | str

_NOT_HYPERPARAMETERS = (
    *WITHOUT_EFFECT,
    "evaluation",  # how a run is judged
    "trainer.total_timesteps",  # a run may be extended, its hyperparameters never change
)


@dataclass(frozen=True)
class RunFacts:
    """What is known of a run when its first round begins.

    Attributes:
        folder: The run directory.
        config: Plain containers.
        sweep: Name of the multirun that it is a job of, if any.
    """

    folder: Path
    config: Mapping[str, Any] = field(default_factory=dict)
    sweep: str | None = None

    @property
    def name(self) -> str:
        """The end of the directory's path: what follows `outputs`, or two parts."""
        parts = self.folder.resolve().parts
        below = parts[parts.index("outputs") + 1 :] if "outputs" in parts else parts[-2:]
        return "/".join(below)

    @property
    def hyperparameters(self) -> dict[str, Value]:
        """What the run's result depends on, by dotted names; a part is named by its class."""
        return flatten(self.config)


class Tracker(abc.ABC):
    """A place that remembers runs.

    `check` is called first; then, when the first round begins, `begin`; then `write` after each
    round; `finish` if the run has a result; and `close`, however it ends.

    Attributes:
        essential: Whether the run fails when the tracker does; otherwise it goes on without it.
    """

    essential: ClassVar[bool] = True

    def check(self) -> None:  # noqa: B027 - most have nothing to check
        """Refuses what cannot work, before anything is trained.

        Raises:
            AirlError: If something is not installed, or cannot be reached.
        """

    @abc.abstractmethod
    def begin(self, run: RunFacts, known: Mapping[str, Any]) -> Mapping[str, Any]:
        """The first round begins, or the first one after the run was resumed.

        Args:
            run: The run.
            known: What this gave when the run was begun; empty for a new run.

        Returns:
            JSON-able: what is needed to go on in the same place.
        """

    @abc.abstractmethod
    def write(self, values: Mapping[str, float], step: int) -> None:
        """A round is complete.

        Args:
            values: By name; may be NaN.
            step: Environment steps.
        """

    @abc.abstractmethod
    def finish(self, result: Mapping[str, float], step: int, files: Sequence[Path]) -> None:
        """The run has a result.

        Args:
            result: The numbers of `result.json`.
            step: Environment steps.
            files: Pictures and documents that belong to it.
        """

    @abc.abstractmethod
    def close(self, status: str) -> None:
        """The run ends; nothing is written any more.

        Args:
            status: `finished`, `failed` or `interrupted`.
        """


def flatten(node: Mapping[str, Any], prefix: str = "") -> dict[str, Value]:
    """Dotted names and values of what a config decides; see `RunFacts.hyperparameters`.

    Args:
        node: Plain containers.
        prefix: Dotted path of `node`, ending in a dot.
    """
    found: dict[str, Value] = {}
    for key, value in node.items():
        name = f"{prefix}{key}"
        if value is None or key == "_partial_" or matches(name, _NOT_HYPERPARAMETERS):
            continue
        if key == "_target_":
            found[prefix.rstrip(".")] = str(value).rpartition(".")[2]
        elif isinstance(value, Mapping):
            found |= flatten(value, f"{name}.")
        elif isinstance(value, (bool, int, float, str)):
            found[name] = value
        elif value:
            found[name] = json.dumps(value, default=str)
    return found
