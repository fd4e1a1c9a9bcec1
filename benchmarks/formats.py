"""A step of SimCLR in bfloat16 and in channels_last against one in float32 with contiguous weights, on one thread.

bfloat16 is measured where the processor multiplies it; elsewhere it is slow.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from benchmarks.runs import described
from benchmarks.timing import Row, speedup
from benchmarks.training_step import RESNETS, clock, on_digits, on_images
from care_bench.runs.device import best_device
from care_bench.training.pretrain import train_step

CHANNELS_LAST = {"memory_format": "channels_last"}
FORMATS = {"float32, channels_last": CHANNELS_LAST}
BFLOAT16 = {
    "bfloat16": {"precision": "bf16-mixed"},
    "bfloat16, channels_last": {"precision": "bf16-mixed", **CHANNELS_LAST},
}
INSTRUCTIONS = {"avx512_bf16", "amx_bf16"}


def measure() -> list[Row]:
    """Time the convnet of the default profile in channels_last, and ResNet-18 and ResNet-50 in each format."""
    formats = FORMATS | (BFLOAT16 if _multiplies_bfloat16() else {})
    rows = [_row(backbone, name, settings) for backbone in RESNETS for name, settings in formats.items()]
    return [_on_digits(), *rows]


def _on_digits() -> Row:
    with ExitStack() as runs:
        ours, reference = (
            runs.enter_context(on_digits("simclr", memory_format=name)) for name in ("channels_last", "contiguous")
        )
        title = f"training step of {described(ours.config)}, float32, channels_last, against contiguous"
        works = (lambda: train_step(ours)), (lambda: train_step(reference))
        return speedup(title, *works, at_least=1.0, pairs=15, clock=clock())


def _row(backbone: str, name: str, settings: dict[str, str]) -> Row:
    batch_size, pairs = RESNETS[backbone]
    with ExitStack() as runs:
        ours, reference = (
            runs.enter_context(on_images("simclr", backbone, batch_size, **changed)) for changed in (settings, {})
        )
        title = f"training step of {described(ours.config)}, {name}, against float32"
        works = (lambda: train_step(ours)), (lambda: train_step(reference))
        return speedup(title, *works, at_least=1.0, pairs=min(pairs, 3), clock=clock())


def _multiplies_bfloat16() -> bool:
    if best_device().type != "cpu":
        return True
    about = Path("/proc/cpuinfo")
    return about.exists() and not INSTRUCTIONS.isdisjoint(about.read_text().split())
