"""Whether the class token of a module is the first of its tokens, seen in what its layers are given and give."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

CLASS_TOKENS = ("cls_token", "class_token")
"""Parameters that are put before the tokens of an input."""


def class_tokens(module: nn.Module) -> Iterator[nn.Parameter]:
    """Yield the class tokens of a module."""
    for name, parameter in module.named_parameters():
        if name.rpartition(".")[2] in CLASS_TOKENS:
            yield parameter


@contextmanager
def other_tokens(module: nn.Module) -> Iterator[None]:
    """Give the class tokens of a module other values for a while."""
    tokens = list(class_tokens(module))
    kept = [token.clone() for token in tokens]
    try:
        for token in tokens:
            token.add_(torch.ones_like(token) + torch.arange(token.shape[-1], device=token.device) % 2)
        yield
    finally:
        for token, value in zip(tokens, kept, strict=True):
            token.copy_(value)


@contextmanager
def tokens_seen(module: nn.Module, n: int) -> Iterator[list[Tensor]]:
    """Collect the tokens that layers are given and give, in their order, as one number for each token.

    Args:
        module: whose layers are watched.
        n: number of inputs.

    Yields:
        A list that grows to tensors (n, t), t >= 2: of a layer's tokens (n, t, d) or (t, n, d), a weighted sum over
        their dimensions.
    """
    seen: list[Tensor] = []

    def note(found: Any) -> None:
        if not isinstance(found, Tensor) or found.ndim != 3 or not found.is_floating_point():
            return
        tokens = found if found.shape[0] == n else found.transpose(0, 1)
        if tokens.shape[0] == n and tokens.shape[1] > 1:
            # Weights that differ: after a normalisation, plain sums and sums of squares are the same for all tokens.
            weights = torch.linspace(1, 2, tokens.shape[2], dtype=torch.float64, device=tokens.device)
            seen.append(tokens.detach().double() @ weights)

    def given(part: nn.Module, inputs: Any, keys: dict[str, Any]) -> None:
        for found in (*inputs, *keys.values()):
            note(found)

    def gave(part: nn.Module, inputs: Any, output: Any) -> None:
        note(output)

    handles = [part.register_forward_pre_hook(given, with_kwargs=True) for part in module.modules()]
    handles += [part.register_forward_hook(gave) for part in module.modules()]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def enters_first(before: list[Tensor], again: list[Tensor], moved: list[Tensor]) -> bool:
    """Whether the first token alone differs where tokens first differ, so that it is the class token.

    Args:
        before: a pass, as :func:`tokens_seen` collects it.
        again: another one over the same inputs.
        moved: a pass with other class tokens.
    """
    if not len(before) == len(again) == len(moved):
        return False
    for plain, noise, other in zip(before, again, moved, strict=True):
        if not plain.shape == noise.shape == other.shape:
            return False
        differs = ((other - plain).abs() > 2 * (noise - plain).abs().max()).any(dim=0)
        if differs.any():
            return bool(differs[0] and not differs[1:].any())
    return False
