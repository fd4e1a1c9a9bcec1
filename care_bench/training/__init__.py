"""Pretraining: one loop, exact resume, and data parallelism over the devices of one machine."""
