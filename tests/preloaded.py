"""The slow imports of the commands that tests run in forks: Snakemake, torch, lightning-fabric and scikit-learn.

Nothing of the package under test is among them. As in the package, fabric does not import torchmetrics, in seconds.
It does not read the rank that the first caller's environment may have: every fork gets the variables of its own caller.
"""

import os
import sys

for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK"):
    os.environ.pop(name, None)
sys.modules["torchmetrics"] = None  # type: ignore[assignment]
import lightning_fabric  # noqa: E402, F401

del sys.modules["torchmetrics"]
import sklearn.linear_model  # noqa: E402, F401
import snakemake.cli  # noqa: E402, F401
