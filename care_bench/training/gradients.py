"""How strongly a term that a method adds pulls on the encoder, beside the method that it is added to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor

from care_bench.methods import Method
from care_bench.models import Encoder
from care_bench.names import GRADIENT_RATIO

MEASURED = 8
"""Steps of a run at which the ratio is measured, evenly spaced from the first."""


def is_measured(step: int, total: int) -> bool:
    """Tell whether the ratio is measured at a step, numbered from 0, of a run of ``total`` steps."""
    return step in {total * k // MEASURED for k in range(MEASURED)}


def gradient_ratio(
    method: Method, terms: Mapping[str, Tensor], encoder: Encoder, average: Callable[[Tensor], Tensor]
) -> dict[str, Tensor]:
    """Return the norm of the weighted added terms' gradient over that of the other terms, in the encoder's parameters.

    The gradients of the step itself are untouched: the graph is kept, and nothing is accumulated.

    Args:
        method: ``added`` names the terms; where it names none, the answer is empty.
        terms: unweighted, with their graph.
        encoder: in training.
        average: averages a tensor over the ranks.

    Returns:
        ``gradient_ratio``: a scalar, not finite where the base method has no gradient.
    """
    rest = terms.keys() - set(method.added)
    if not method.added or not rest:
        return {}
    added, others = (_norm(method, terms, names, encoder, average) for names in (method.added, rest))
    return {GRADIENT_RATIO: added / others}


def _norm(
    method: Method,
    terms: Mapping[str, Tensor],
    names: Collection[str],
    encoder: Encoder,
    average: Callable[[Tensor], Tensor],
) -> Tensor:
    loss = torch.stack([method.weights[name] * terms[name].float() for name in terms if name in names]).sum()
    parameters = [parameter for parameter in encoder.parameters() if parameter.requires_grad]
    with torch.autocast(loss.device.type, enabled=False):
        gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    squares = [average(gradient.float()).square().sum() for gradient in gradients if gradient is not None]
    return torch.stack(squares).sum().sqrt()
