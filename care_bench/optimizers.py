"""torch's Adam and SGD without its compiler, whose import takes 1.5 s of processor time of every process.

torch wraps methods of optimizers so that its compiler leaves them out, and the wrappers import it. These classes have
the methods themselves, as ``functools.wraps`` keeps them: the same steps to the bit, for weights that nobody compiles.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer


def _own(method: Callable[..., Any]) -> Any:
    """Return the function inside all wrappers."""
    return inspect.unwrap(method)


class _Uncompiled(Optimizer):
    add_param_group = _own(Optimizer.add_param_group)
    zero_grad = _own(Optimizer.zero_grad)
    state_dict = _own(Optimizer.state_dict)
    load_state_dict = _own(Optimizer.load_state_dict)


class Adam(_Uncompiled, torch.optim.Adam):
    """``torch.optim.Adam``; the arguments are its own, but for ``differentiable``."""

    step = torch.no_grad()(_own(torch.optim.Adam.step))


class SGD(_Uncompiled, torch.optim.SGD):
    """``torch.optim.SGD``; the arguments are its own, but for ``differentiable``."""

    step = torch.no_grad()(_own(torch.optim.SGD.step))
