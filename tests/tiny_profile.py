"""The smallest profile: one run of two steps on the proteins."""

from __future__ import annotations

from typing import Any

PROFILE: dict[str, Any] = {
    "profile": "tiny",
    "seeds": [0],
    "steps": 2,
    "datasets": {
        "proteins": {
            "preset": "proteins",
            "encoder": {"backbone": {"name": "deepset", "width": 4}},
            "methods": {"simclr": {"name": "simclr"}},
        }
    },
}
