"""Multilayer perceptrons with gradients written out.

For nets as small as those of most policies, what autograd takes to remember and replay an
operation is longer than the operation. Backpropagation through a perceptron is three lines
(Rumelhart, Hinton & Williams 1986), and they are here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch as th
from torch import nn

_ACTIVATIONS: dict[type[nn.Module], tuple[Callable[..., th.Tensor], Callable[..., th.Tensor]]] = {
    nn.Tanh: (
        lambda x: x.tanh_(),
        lambda grad, out: th.ops.aten.tanh_backward.grad_input(grad, out, grad_input=grad),
    ),
    nn.ReLU: (
        lambda x: x.relu_(),
        lambda grad, out: th.ops.aten.threshold_backward.grad_input(grad, out, 0, grad_input=grad),
    ),
}
"""By class: the activation in place; and the gradient before it, from the one behind it and the
activation's output, in place."""


class Tower:
    """Linear layers with activations between them, and a linear one at the end.

    Args:
        body: Linear layers, each followed by an activation of one class.
        head: The last layer.

    Raises:
        TypeError: Layers of other kinds.
    """

    def __init__(self, body: Sequence[nn.Module], head: nn.Module) -> None:
        linear, activations = list(body[0::2]), list(body[1::2])
        kinds = {type(activation) for activation in activations}
        known = len(kinds) <= 1 and kinds <= set(_ACTIVATIONS)
        plain = all(type(layer) is nn.Linear and layer.bias is not None for layer in linear)
        if len(linear) != len(activations) or not known or not plain:
            raise TypeError("a tower is made of Linear layers with Tanh or ReLU between them")
        if type(head) is not nn.Linear or head.bias is None:
            raise TypeError("the head of a tower is a Linear layer with a bias")
        self._layers: list[nn.Linear] = [*linear, head]  # type: ignore[list-item]
        self._activate, self._backward_activation = _ACTIVATIONS[kinds.pop() if kinds else nn.Tanh]
        self._outputs: list[th.Tensor] = []

    def parameters(self) -> list[nn.Parameter]:
        """Weights and biases from the input to the output."""
        return [p for layer in self._layers for p in layer.parameters()]

    def refresh(self) -> None:
        """Looks the parameters' memory up; needed whenever it has moved."""
        self._weights = [layer.weight.data for layer in self._layers]
        self._transposed = [weight.T for weight in self._weights]
        self._biases = [layer.bias.data for layer in self._layers]
        self._grads = [(layer.weight.grad, layer.bias.grad) for layer in self._layers]

    def __call__(self, x: th.Tensor) -> th.Tensor:
        """Outputs (batch, out) of inputs (batch, in); remembers what `backward` needs."""
        outputs = [x]
        last = len(self._biases) - 1
        for i, (weight, bias) in enumerate(zip(self._transposed, self._biases, strict=True)):
            x = th.addmm(bias, x, weight)
            if i < last:
                x = self._activate(x)
                outputs.append(x)
        self._outputs = outputs
        return x

    def backward(self, grad: th.Tensor) -> None:
        """Writes the parameters' gradients.

        Args:
            grad: Of the loss in the newest outputs (batch, out).
        """
        for i in reversed(range(len(self._weights))):
            of_weight, of_bias = self._grads[i]
            th.mm(grad.T, self._outputs[i], out=of_weight)
            th.sum(grad, 0, out=of_bias)
            if i > 0:
                grad = th.mm(grad, self._weights[i])
                grad = self._backward_activation(grad, self._outputs[i])
