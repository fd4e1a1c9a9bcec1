"""What a process that trains does not import, since it would take seconds of every job."""

from __future__ import annotations

import subprocess
import sys


def test_training_imports_nothing_that_it_does_not_use() -> None:
    code = (
        "import sys, care_bench.training.pretrain, care_bench.evaluation.run\n"
        # torchmetrics would be among them as well if it were still kept from being imported.
        "print(*{'torchmetrics', 'torchvision', 'matplotlib', 'sklearn', 'pandas', 'timm'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
