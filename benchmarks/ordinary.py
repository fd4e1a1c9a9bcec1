"""``python -m benchmarks.ordinary MODULE ...``: a module of care_bench whose training has ordinary steps alone.

A run measures the ratio of gradients (``care_bench.training.gradients``) at eight of its steps, with two more backward
passes each. That is nothing beside a real run and most of one of a few steps. Here no step measures it, neither in this
process nor in the ranks that it starts.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from typing import Any

from care_bench.training import gradients, launcher


def main() -> None:
    """Run the module with the arguments that follow its name."""
    gradients.MEASURED = 0
    launcher.elastic_launch = _elastic(launcher.elastic_launch)  # type: ignore[assignment,misc]
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _elastic(launch: Callable[..., Callable[..., Any]]) -> Callable[..., Callable[..., Any]]:
    """Return torch's launcher, whose ranks run their module (``-m MODULE ...``) through this one."""

    def through_this(*settings: Any) -> Callable[..., Any]:
        return lambda option, *command: launch(*settings)(option, "benchmarks.ordinary", *command)

    return through_this


if __name__ == "__main__":
    main()
