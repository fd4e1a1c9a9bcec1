"""How exact "exact" is, for each dtype: one table that every check compares with."""

from __future__ import annotations

import torch

TOLERANCE: dict[torch.dtype, float] = {torch.float64: 1e-9, torch.float32: 1e-4}
"""Largest residual, relative to quantities of order one, that counts as zero."""
