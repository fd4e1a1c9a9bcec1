"""lightning-fabric, imported without what it never uses here: seconds of every process that trains."""

from care_bench.torchrun import hidden
from care_bench.uncompiled import standing_in, without_compiler

# Of torchmetrics it would read the version alone.
with hidden(), standing_in("torchmetrics", None), without_compiler():
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment
    from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
    from lightning_fabric.strategies.ddp import DDPStrategy

__all__ = ["DDPStrategy", "Fabric", "LightningEnvironment", "TorchElasticEnvironment"]
