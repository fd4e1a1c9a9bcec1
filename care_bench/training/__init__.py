"""Pretraining: one readable loop, exact resume, and generators derived from the run's identity."""
