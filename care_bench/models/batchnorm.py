"""BatchNorm on groups of rows, as if each group were on a device of its own."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

RunningStatistics = Literal["mean", "first"]
"""What the groups leave for evaluation: the mean of their statistics, or those of the first group alone."""


class GroupedBatchNorm(_BatchNorm):
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
        if not plain.track_running_stats or plain.momentum is None:
            raise ValueError(f"{plain} cannot be grouped; expected running statistics with a momentum")
        super().__init__(plain.num_features, plain.eps, plain.momentum, plain.affine)
        self.weight, self.bias = plain.weight, plain.bias
        self.running_mean, self.running_var = plain.running_mean, plain.running_var
        self.num_batches_tracked = plain.num_batches_tracked
        self.groups = groups
        self.running = running
        self.train(plain.training)

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

    def _check_input_dim(self, input: Tensor) -> None:
        """Take any number of dimensions, as the layers it replaces do between them."""


def group_batchnorm(module: nn.Module, groups: int, running: RunningStatistics) -> nn.Module:
    """Return the module with every BatchNorm in it replaced by a :class:`GroupedBatchNorm`; unchanged for one group."""
    if groups == 1:
        return module
    if isinstance(module, _BatchNorm):
        return GroupedBatchNorm(module, groups, running)
    for name, child in module.named_children():
        setattr(module, name, group_batchnorm(child, groups, running))
    return module
