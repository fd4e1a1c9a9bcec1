"""Pretraining: one readable loop, exact resume, and generators derived from the run's identity.

The loop itself is ``care_bench.training.pretrain.pretrain``. It is not imported here, because lightning-fabric takes
seconds to import and evaluation, which shares the rest, does without it.
"""

from care_bench.training.checkpoint import load_encoder_weights
from care_bench.training.randomness import derive_seed, generator
from care_bench.training.run_folder import RunFolder

__all__ = ["RunFolder", "derive_seed", "generator", "load_encoder_weights"]
