"""The strengths at which single augmentations are measured. No torch here: protocols print them."""

from __future__ import annotations

STRENGTHS: dict[str, tuple[float, ...]] = {
    "hue": (0.1, 0.2, 0.3, 0.4, 0.5),
    "crop": (0.8, 0.5, 0.3, 0.2, 0.08),
    "rotation": (15.0, 45.0, 90.0, 135.0, 180.0),
    "blur": (0.5, 1.0, 1.5, 2.0),
    "flip": (1.0,),
}
"""Augmentation -> rising strengths: hue in turns, area of a central crop, degrees, standard deviation in pixels of a
view of the evaluation's size, and the one mirror image."""
