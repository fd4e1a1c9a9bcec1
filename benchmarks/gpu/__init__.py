"""Checks and speeds of one GPU, see ``benchmarks/gpu.sh``."""
