"""BatchNorm on groups of rows, as if each group were on a device of its own; and over the rows of several processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, autograd, distributed, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

RunningStatistics = Literal["mean", "first"]
"""What the groups leave for evaluation: the mean of their statistics, or those of the first group alone."""


class _Replacement(_BatchNorm):
    """A layer in the place of a plain BatchNorm, whose weights, running statistics and mode it takes over.

    Raises:
        ValueError: the layer keeps no running statistics, or averages them without a momentum.
    """

    def __init__(self, plain: _BatchNorm) -> None:
        if not plain.track_running_stats or plain.momentum is None:
            raise ValueError(f"{plain} cannot be replaced; expected running statistics with a momentum")
        super().__init__(plain.num_features, plain.eps, plain.momentum, plain.affine)
        self.weight, self.bias = plain.weight, plain.bias
        self.running_mean, self.running_var = plain.running_mean, plain.running_var
        self.num_batches_tracked = plain.num_batches_tracked
        self.train(plain.training)

    def _check_input_dim(self, input: Tensor) -> None:
        """Take any number of dimensions, as the layers it replaces do between them."""


class GroupedBatchNorm(_Replacement):
    """BatchNorm whose training statistics are those of each of several groups of consecutive rows.

    A batch gives what as many devices give that have a shard each and do not synchronise BatchNorm. In evaluation
    mode it is plain BatchNorm, and its state has the names and shapes of plain BatchNorm.

    Args:
        plain: the layer to replace, whose weights and running statistics are taken over.
        groups: number of groups; divides the rows of every batch in training.
        running: `mean`: running statistics follow the mean over the groups, as in MoCo's SplitBatchNorm; `first`: they
            follow the first group, as DataParallel keeps those of its first replica.

    Raises:
        ValueError: the layer keeps no running statistics, or averages them without a momentum.

    Shape: (n, channels, ...) -> the same.
    """

    def __init__(self, plain: _BatchNorm, groups: int, running: RunningStatistics) -> None:
        super().__init__(plain)
        self.groups = groups
        self.running = running

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalise the rows; raises ValueError where the groups do not divide them."""
        if not self.training:
            return super().forward(inputs)
        if len(inputs) % self.groups:
            raise ValueError(f"a batch of {len(inputs)} rows in {self.groups} groups; expected a multiple")
        mean, variance = self.running_mean, self.running_var
        assert mean is not None
        assert variance is not None
        assert self.momentum is not None
        normalised, updated = [], []
        # One call a group: a view with the groups as channels would have to copy the batch there and back.
        for rows in inputs.chunk(self.groups):
            own = mean.clone(), variance.clone()
            normalised.append(functional.batch_norm(rows, *own, self.weight, self.bias, True, self.momentum, self.eps))
            updated.append(torch.stack(own))
        kept = updated[0] if self.running == "first" else torch.stack(updated).mean(dim=0)
        with torch.no_grad():
            mean.copy_(kept[0])
            variance.copy_(kept[1])
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
        return torch.cat(normalised)


class SynchronisedBatchNorm(_Replacement):
    """BatchNorm whose training statistics are those of the rows of all processes, on any device and backend.

    torch's SyncBatchNorm does this on accelerators alone. Values, gradients and running statistics are those of plain
    BatchNorm on all rows together; the processes may have different numbers of them. In evaluation mode it is plain
    BatchNorm, and its state has the names and shapes of plain BatchNorm.

    Args:
        plain: the layer to replace, whose weights and running statistics are taken over.

    Raises:
        ValueError: the layer keeps no running statistics, or averages them without a momentum; or all processes
            together have one value per channel.

    Shape: (n, channels, ...) -> the same.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalise the rows of this process; every process of the default group has to call it."""
        if not self.training:
            return super().forward(inputs)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        output: Tensor
        output, mean, variance, count = _Synchronised.apply(inputs, self.weight, self.bias, self.eps)
        with torch.no_grad():
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
            unbiased = variance * (count / (count - 1))
            self.running_var.lerp_(unbiased.to(self.running_var.dtype), self.momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
        return output


class _Synchronised(autograd.Function):
    """BatchNorm over all processes: one collective forwards, and one backwards.

    With x the rows of a process, y = w (x - m) / s + b and g the gradient in y, the gradient in x is
    w / s (g - mean g - (x - m) / s mean(g (x - m) / s)); both means, m and s are over the rows of all processes.
    """

    @staticmethod
    def forward(
        context: Any, inputs: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        wide = inputs.to(torch.promote_types(inputs.dtype, torch.float32))
        # BatchNorm's own kernel, which takes a quarter of the time of torch.var_mean.
        mean, variance = torch.ops.aten.batch_norm_update_stats(wide, None, None, 0.0)
        own = torch.cat([mean, variance, wide.new_tensor([wide[:, 0].numel()])])
        parts = [torch.empty_like(own) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, own)
        rows = torch.stack(parts)
        means, variances, counts = rows[:, : len(mean)], rows[:, len(mean) : -1], rows[:, -1:]
        count = counts.sum()
        if count < 2:
            raise ValueError(f"{int(count)} value per channel in all processes together; expected more than one")
        mean = (counts * means).sum(dim=0) / count
        variance = (counts * (variances + (means - mean).square())).sum(dim=0) / count
        context.save_for_backward(inputs, weight, mean, variance, count)
        context.eps = eps
        context.mark_non_differentiable(mean, variance, count)
        return functional.batch_norm(inputs, mean, variance, weight, bias, False, 0.0, eps), mean, variance, count

    @staticmethod
    @autograd.function.once_differentiable
    def backward(context: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None, None]:
        inputs, weight, mean, variance, count = context.saved_tensors
        factor = torch.ones_like(mean) if weight is None else weight
        # The sums alone, from torch's own kernel: the gradients in w and b.
        arguments = (gradient, inputs, factor, mean, variance, None, None, False, context.eps, [False, True, True])
        _, in_weight, in_bias = torch.ops.aten.native_batch_norm_backward(*arguments)
        sums = torch.stack([in_bias, in_weight])
        distributed.all_reduce(sums)
        scale = factor * (variance + context.eps).rsqrt()
        along, across = (sums / count * scale).unbind()
        direct = functional.batch_norm(inputs, mean, variance, -across, -along, False, 0.0, context.eps)
        direct.addcmul_(gradient, scale.view(-1, *[1] * (inputs.ndim - 2)))
        affine = (None, None) if weight is None else (in_weight, in_bias)
        return direct, *affine, None


def group_batchnorm(module: nn.Module, groups: int, running: RunningStatistics) -> nn.Module:
    """Return the module with every BatchNorm in it replaced by a :class:`GroupedBatchNorm`; unchanged for one group."""
    return module if groups == 1 else _replace(module, lambda plain: GroupedBatchNorm(plain, groups, running))


def synchronise_batchnorm(module: nn.Module) -> nn.Module:
    """Return the module with every BatchNorm in it replaced by a :class:`SynchronisedBatchNorm`."""
    return _replace(module, SynchronisedBatchNorm)


def _replace(module: nn.Module, make: Callable[[_BatchNorm], nn.Module]) -> nn.Module:
    if isinstance(module, _BatchNorm):
        return make(module)
    for name, child in module.named_children():
        setattr(module, name, _replace(child, make))
    return module
