"""What a part of the GPU benchmark finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Found:
    """One finding.

    Attributes:
        name: what was measured.
        value: the number; None where it could not be measured.
        unit: of the number.
        target: the bound, in words; empty where there is none.
        met: whether the bound holds; None where there is none, or the number is missing.
        note: why the number is missing, or what it rests on.
    """

    name: str
    value: float | None
    unit: str
    target: str = ""
    met: bool | None = None
    note: str = ""


def at_most(name: str, value: float, unit: str, bound: float, note: str = "") -> Found:
    """Return a finding with an upper bound."""
    return Found(name, value, unit, f"at most {bound:g}", value <= bound, note)


def not_done(name: str, why: str) -> Found:
    """Return a finding for what should have been measured and was not."""
    return Found(name, None, "", met=False, note=why)


def missing(name: str, why: str) -> Found:
    """Return a finding that this machine does not have."""
    return Found(name, None, "", note=why)
