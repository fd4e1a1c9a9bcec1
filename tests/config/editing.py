"""Profiles with one key changed."""

from __future__ import annotations

import copy
from typing import Any


def edited(profile: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy of a profile with one dotted key set; missing parents of the key are added."""
    content = copy.deepcopy(profile)
    *parents, last = path.split(".")
    place = content
    for key in parents:
        place = place.setdefault(key, {})
    place[last] = value
    return content
