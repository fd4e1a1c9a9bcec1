"""Pretraining: one readable loop, exact resume, and generators derived from the run's identity."""

from care_bench.training.checkpoint import load_encoder_weights
from care_bench.training.pretrain import pretrain
from care_bench.training.randomness import derive_seed, generator
from care_bench.training.run_folder import RunFolder

__all__ = ["RunFolder", "derive_seed", "generator", "load_encoder_weights", "pretrain"]
