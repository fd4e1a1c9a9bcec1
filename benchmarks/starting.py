"""Processor time of a process that trains a weight by one step, against one that also imports torch's compiler."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from benchmarks.timing import Row, children, speedup

STEP = """
import torch, care_bench.cli, care_bench.jobs, care_bench.training.pretrain
from care_bench.optimizers import Adam
weight = torch.zeros(1, requires_grad=True)
optimizer = Adam([weight], fused=True)
weight.sum().backward()
optimizer.step()
optimizer.zero_grad()
"""


def measure() -> list[Row]:
    """Time both processes; without care lightning-fabric and every optimizer of torch import the compiler."""
    name = "start of a process that trains, and a step of its optimizer, against one with torch's compiler"
    ours, reference = _process(STEP), _process(f"import torch._dynamo{STEP}")
    return [speedup(name, ours, reference, at_least=1.4, pairs=3, clock=children)]


def _process(code: str) -> Callable[[], object]:
    return lambda: subprocess.run([sys.executable, "-c", code], check=True)
