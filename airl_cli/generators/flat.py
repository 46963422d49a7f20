"""All parameters of a module in one piece of memory, so that an optimiser has one thing to do."""

from __future__ import annotations

from collections.abc import Sequence

import torch as th
from torch import nn
from torch.optim.adam import adam

_ALIGNMENT = 16  # floats: every parameter starts at a 64-byte boundary, as if it were alone


class FlatParameters:
    """Parameters and gradients as views of two vectors.

    The parameters stay the same objects with the same values; what reads or writes them in place
    (`state_dict`, `load_state_dict`, other optimisers) notices nothing.

    Args:
        parameters: On one device, all of float32.

    Attributes:
        values: The parameters, with zeros between them.
        grads: Their gradients, likewise.
    """

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self.parameters = list(parameters)
        sizes = [-(-p.numel() // _ALIGNMENT) * _ALIGNMENT for p in self.parameters]
        self._starts = [sum(sizes[:i]) for i in range(len(sizes))]
        self.values = self.zeros(sum(sizes))
        self.grads = self.zeros(sum(sizes))
        self._grad_views = self.views(self.grads)
        for parameter, view in zip(self.parameters, self.views(self.values), strict=True):
            view.copy_(parameter.data)
            parameter.data = view
        self.attach_grads()

    def zeros(self, size: int | None = None) -> th.Tensor:
        """A vector like `values`."""
        size = len(self.values) if size is None else size
        return th.zeros(size, device=self.parameters[0].device)

    def views(self, vector: th.Tensor) -> list[th.Tensor]:
        """The parts of a vector that belong to the parameters, in their shapes."""
        return [
            vector[start : start + p.numel()].view(p.shape)
            for start, p in zip(self._starts, self.parameters, strict=True)
        ]

    def attach_grads(self) -> None:
        """Makes every parameter's `grad` the view of `grads`."""
        for parameter, view in zip(self.parameters, self._grad_views, strict=True):
            parameter.grad = view

    def holds(self, parameters: Sequence[nn.Parameter]) -> bool:
        """Whether these are the parameters, and still views of `values`."""
        base = self.values.data_ptr()
        return len(parameters) == len(self.parameters) and all(
            ours is theirs and theirs.data_ptr() == base + 4 * start
            for ours, theirs, start in zip(self.parameters, parameters, self._starts, strict=True)
        )

    def clip_grads(self, max_norm: float) -> None:
        """As `torch.nn.utils.clip_grad_norm_`."""
        norm = th.linalg.vector_norm(self.grads)
        self.grads.mul_((max_norm / (norm + 1e-6)).clamp_(max=1.0))


class FlatAdam:
    """Steps of a `torch.optim.Adam` on `FlatParameters`.

    The optimiser's state is that of the original, as views: what it saves is up to date after
    `publish`, and what it loads is taken over by the next `FlatAdam`.

    Args:
        optimizer: Of exactly the flat parameters; see `supports`.
        flat: The parameters.
    """

    def __init__(self, optimizer: th.optim.Adam, flat: FlatParameters) -> None:
        self._optimizer = optimizer
        self._flat = flat
        self._moments = (flat.zeros(), flat.zeros())
        self._step = th.zeros((), device=flat.values.device)
        views = [flat.views(moment) for moment in self._moments]
        for parameter, first, second in zip(flat.parameters, *views, strict=True):
            state = optimizer.state[parameter]
            if state:
                first.copy_(state["exp_avg"])
                second.copy_(state["exp_avg_sq"])
                self._step.copy_(state["step"])
            state["step"] = self._step.clone()
            state["exp_avg"], state["exp_avg_sq"] = first, second
        self._first = [optimizer.state[p]["exp_avg"] for p in flat.parameters]

    @staticmethod
    def supports(optimizer: th.optim.Optimizer) -> bool:
        """Whether it is plain Adam with the same settings for all parameters."""
        if type(optimizer) is not th.optim.Adam or len(optimizer.param_groups) != 1:
            return False
        group = optimizer.param_groups[0]
        states = [optimizer.state.get(parameter) for parameter in group["params"]]
        steps = {float(state["step"]) if state else 0.0 for state in states}
        others = ("amsgrad", "maximize", "differentiable", "decoupled_weight_decay")
        return len(steps) == 1 and not any(group.get(name) for name in others)

    def holds(self) -> bool:
        """Whether the optimiser's state is still the views made here."""
        state = self._optimizer.state
        return len(state) == len(self._first) and all(
            parameter in state and state[parameter]["exp_avg"] is view
            for parameter, view in zip(self._flat.parameters, self._first, strict=True)
        )

    def step(self) -> None:
        """One step with the current gradients (Kingma & Ba 2015, algorithm 1)."""
        group = self._optimizer.param_groups[0]
        adam(
            [self._flat.values],
            [self._flat.grads],
            [self._moments[0]],
            [self._moments[1]],
            [],
            [self._step],
            fused=True,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )

    def publish(self) -> None:
        """Writes the number of steps into the optimiser's state."""
        for parameter in self._flat.parameters:
            self._optimizer.state[parameter]["step"].copy_(self._step)
