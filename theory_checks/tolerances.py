"""How exact "exact" is."""

from __future__ import annotations

EXACT = 1e-9
"""Largest residual in float64, relative to quantities of order one, that counts as zero."""
