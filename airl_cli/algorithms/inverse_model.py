"""Actions of demonstrations that hold none: a model of which action leads from s to s'.

Behaviour cloning from observation (Torabi, Warnell & Stone 2018, arXiv 1805.01954) learns an
inverse dynamics model `a = I(s, s')` from the agent's own transitions and reads the expert's
actions off the demonstrated states. AIRL's discriminator needs no more of an action than
`log pi(a|s)`, which is taken at that action.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch as th
import torch.nn.functional as F
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from airl_cli.algorithms.batch import TransitionBatch, as_column
from airl_cli.algorithms.state import load_module, load_optimizer_state, optimizer_state
from airl_cli.data.transitions import has_actions
from airl_cli.errors import InvalidValueError
from airl_cli.rewards.encoding import encode, encoded_size
from airl_cli.rewards.layers import RunningNorm, build_mlp, evaluating

_HIDDEN = (64, 64)
_RATE = 1e-3
_UPDATES, _BATCH = 20, 256  # per rollout
_FIRST_UPDATES = 400  # on the first one: the discriminator needs it at once


class UnknownActions:
    """Stands in for the actions of demonstrations that hold none.

    Args:
        venv: The environment.
        infer: By an `InverseModel`; False: actions of no meaning, where none are looked at.
        rng: Seeds the model.
        device: Where it computes.

    Raises:
        InvalidValueError: As `InverseModel`.
    """

    def __init__(
        self, venv: VecEnv, *, infer: bool, rng: np.random.Generator, device: th.device
    ) -> None:
        self._space = venv.action_space
        self._model: InverseModel | None = None
        self._loss = 0.0
        if infer:
            seed = int(rng.integers(2**31))
            spaces_of = venv.observation_space, venv.action_space
            self._model = InverseModel(*spaces_of, seed=seed, device=device)

    def fit(self, samples: Any) -> None:
        """Trains on transitions of the generator; see `InverseModel.fit`."""
        if self._model is not None:
            self._loss = self._model.fit(samples)

    def fill(self, batch: TransitionBatch) -> TransitionBatch:
        """A batch (n) with actions: its own where it has them."""
        if has_actions(batch.acts):
            return batch
        if self._model is not None:
            acts = self._model.infer(batch)
        else:
            zeros = np.zeros((len(batch), *(self._space.shape or ())), self._space.dtype)
            acts = as_column(zeros, batch.obs.device)
        return TransitionBatch(batch.obs, acts, batch.next_obs, batch.dones)

    @property
    def figures(self) -> dict[str, float]:
        """Of the newest round."""
        return {} if self._model is None else {"inverse_model_loss": self._loss}

    def state_dict(self) -> dict[str, Any]:
        """The model's."""
        return {} if self._model is None else self._model.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores it."""
        if self._model is not None:
            self._model.load_state_dict(state)


class InverseModel:
    """Tells the action that led from one observation to the next.

    For a `Discrete` space the most likely one; for a `Box` the least squares estimate, within the
    bounds.

    Args:
        observation_space: Of the environment.
        action_space: Of the environment.
        seed: Of the initial weights; no random stream of the caller moves.
        device: Where the net computes.

    Raises:
        InvalidValueError: For another action space.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        *,
        seed: int,
        device: th.device | str = "cpu",
    ) -> None:
        if not isinstance(action_space, spaces.Discrete | spaces.Box):
            raise InvalidValueError(
                f"actions of {type(action_space).__name__} spaces cannot be told from states.",
                "Use demonstrations with actions, or trainer=gail.",
            )
        self.observation_space, self.action_space = observation_space, action_space
        self.device = th.device(device)
        with th.random.fork_rng(devices=[]):
            th.manual_seed(seed)
            self.net: nn.Module = build_mlp(
                in_size=2 * encoded_size(observation_space),
                hid_sizes=_HIDDEN,
                out_size=encoded_size(action_space),
                normalize_input_layer=RunningNorm,
            ).to(self.device)
        self._optimizer = th.optim.Adam(self.net.parameters(), lr=_RATE)
        self._is_trained = False

    def fit(self, samples: Any) -> float:
        """Some updates on transitions of the generator.

        Args:
            samples: With a method `sample(n)`.

        Returns:
            The loss of the last update: cross-entropy, or the squared error in units of the bounds.
        """
        self.net.train()
        loss = th.zeros(())
        for _ in range(_UPDATES if self._is_trained else _FIRST_UPDATES):
            batch = samples.sample(_BATCH).to(self.device)
            loss = self._loss(self._output(batch.obs, batch.next_obs), batch.acts)
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
        self._is_trained = True
        return float(loss.detach())

    def infer(self, batch: TransitionBatch) -> th.Tensor:
        """The actions (n, *action shape) that led from `obs` to `next_obs`."""
        batch = batch.to(self.device)
        with th.no_grad(), evaluating(self.net):
            output = self._output(batch.obs, batch.next_obs)
        if isinstance(self.action_space, spaces.Discrete):
            return output.argmax(1)
        assert isinstance(self.action_space, spaces.Box)
        middle, half = self._scale()
        low, high = (th.as_tensor(b, device=self.device) for b in self._bounds())
        actions = (output * half + middle).reshape(-1, *self.action_space.shape)
        return actions.clamp(low, high).float()

    def state_dict(self) -> dict[str, Any]:
        """Net and optimiser."""
        return {
            "net": self.net.state_dict(),
            "optimizer": optimizer_state(self._optimizer),
            "is_trained": self._is_trained,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores them."""
        load_module(self.net, state["net"])
        load_optimizer_state(self._optimizer, state["optimizer"])
        self._is_trained = bool(state["is_trained"])

    def _output(self, obs: th.Tensor, next_obs: th.Tensor) -> th.Tensor:
        before, after = (
            encode(part, self.observation_space, device=self.device).flatten(1)
            for part in (obs, next_obs)
        )
        return self.net(th.cat([before, after - before], 1))

    def _loss(self, output: th.Tensor, acts: th.Tensor) -> th.Tensor:
        if isinstance(self.action_space, spaces.Discrete):
            return F.cross_entropy(output, acts.long().flatten())
        middle, half = self._scale()
        return F.mse_loss(output, (acts.flatten(1).float() - middle) / half)

    def _bounds(self) -> tuple[Any, Any]:
        assert isinstance(self.action_space, spaces.Box)
        return self.action_space.low, self.action_space.high

    def _scale(self) -> tuple[th.Tensor, th.Tensor]:
        """Middle and half width (size,) of the bounds; 0 and 1 where there are none."""
        low, high = (th.as_tensor(b, device=self.device).float().flatten() for b in self._bounds())
        finite = th.isfinite(low) & th.isfinite(high)
        middle = th.where(finite, (low + high) / 2, th.zeros_like(low))
        return middle, th.where(finite, (high - low) / 2, th.ones_like(low))
