"""Weights of a run at the end of a round, in memory and under `checkpoints/<rounds>/`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import nn

from airl_cli.errors import NonFiniteError, NotFoundError
from airl_cli.runs import layout
from airl_cli.serialization import save_state

State = dict[str, torch.Tensor]


class HasWeights(Protocol):
    """What is needed of an `AdversarialTrainer` here."""

    @property
    def reward_net(self) -> nn.Module:
        """The reward net as it was given."""

    @property
    def policy(self) -> nn.Module:
        """The learner."""


@dataclass(frozen=True)
class Snapshot:
    """A copy of all weights after a number of completed rounds.

    Attributes:
        rounds: Completed rounds.
        reward: State of the reward net.
        policy: State of the policy.
    """

    rounds: int
    reward: State
    policy: State

    @classmethod
    def take(cls, trainer: HasWeights, rounds: int) -> Snapshot:
        """Copy the trainer's weights.

        Raises:
            NonFiniteError: If a weight is NaN or infinite.
        """
        _check_finite(trainer.reward_net, "reward", rounds)
        _check_finite(trainer.policy, "policy", rounds)
        return cls(rounds, _copy(trainer.reward_net), _copy(trainer.policy))

    def save(self, run: Path, name: str | None = None) -> Path:
        """Write it to `checkpoints/<rounds>/`, or another name; gives the folder."""
        folder = run / layout.CHECKPOINTS / (name or str(self.rounds))
        save_state(self.reward, folder / layout.REWARD_WEIGHTS)
        save_state(self.policy, folder / layout.POLICY_WEIGHTS)
        return folder


def _copy(module: nn.Module) -> State:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def _check_finite(module: nn.Module, what: str, rounds: int) -> None:
    for name, parameter in module.named_parameters():
        if not torch.isfinite(parameter).all():
            raise NonFiniteError(
                f"NaN or infinity in the {what}'s weights ({name}) after round {rounds - 1}",
                "A smaller learning rate of the generator or the discriminator usually helps.",
            )


def find_checkpoint(run: Path, name: str | int | None = None) -> Path:
    """The folder of a checkpoint: the named one, or `final`, or the newest.

    Raises:
        NotFoundError: If the run has no such checkpoint.
    """
    root = run / layout.CHECKPOINTS
    present = {p.name: p for p in root.iterdir() if p.is_dir()} if root.is_dir() else {}
    if name is not None:
        if str(name) in present:
            return present[str(name)]
        raise NotFoundError(
            f"{run} has no checkpoint {name!r}",
            f"It has: {', '.join(sorted(present)) or 'none'}.",
        )
    if layout.FINAL in present:
        return present[layout.FINAL]
    numbered = [folder for key, folder in present.items() if key.isdecimal()]
    if numbered:
        return max(numbered, key=lambda folder: int(folder.name))
    raise NotFoundError(f"{run} has no weights: no round was completed")
