"""Two steps of every run and an evaluation, on the CPU and on a pretended device, for `test_accelerator.py`.

Arguments: a folder of prepared data, a JSON file of named configurations, and the JSON file to write.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.accelerators import CPUAccelerator
from lightning_fabric.strategies import SingleDeviceStrategy
from torch import Tensor

from care_bench.config import EvaluationConfig, RunConfig
from care_bench.data import load
from care_bench.evaluation.embed import Embedder
from care_bench.evaluation.protocols import PROTOCOLS
from care_bench.methods import View
from care_bench.metrics import composition_error, factor_distance
from care_bench.names import REPRESENTATIONS
from care_bench.runs.build import build_augmentation, build_run_encoder
from care_bench.runs.folder import RunFolder
from care_bench.training import session as module
from care_bench.training.pretrain import train_step

from .pretended_device import HERE, THERE, There, Watch, pretended_device

SETTINGS = EvaluationConfig(augmentations=2, samples=64, batch_size=48, classifier_seeds=2)
ELSEWHERE = ("augmentation-profile-v1", "lie-derivative-v1")
"""Protocols whose operations the pretended device does not have: grid_sample and forward-mode differentiation."""
PLANTED: dict[str, Callable[[Tensor], object]] = {
    "tensors of both devices": lambda x: x + torch.ones(4),
    "a generator of the CPU": lambda x: torch.rand(4, device=THERE, generator=torch.Generator()),
    "an operation that is refused": lambda x: x.median(dim=0),
    "a copy to the device": lambda x: torch.ones(4).to(THERE),
    "a copy into a tensor of the device": lambda x: x.copy_(torch.ones(4)),
    "a copy from the device": lambda x: x.to("cpu", non_blocking=True),
    "a number": lambda x: x.sum().item(),
    "a truth value": lambda x: bool((x > 0).any()),
    "a list": lambda x: x.tolist(),
    "a mask as index": lambda x: x[x > 0],
    "an index on the CPU": lambda x: x[torch.tensor([1, 0])],
    "indices of nonzero entries": lambda x: x.nonzero(),
}
FREE: dict[str, Callable[[Tensor], object]] = {
    "an asynchronous copy to the device": lambda x: torch.ones(4).to(THERE, non_blocking=True),
    "an index on the device": lambda x: x[torch.arange(2, device=THERE)],
    "Python numbers as operands": lambda x: torch.where(x > 0, x, 0.5) * 2,
}


class AnyDevice(CPUAccelerator):
    """An accelerator for a device that needs no setup."""

    def setup_device(self, device: torch.device) -> None:
        """Do nothing."""


def noticed(work: Callable[[Tensor], object]) -> list[str]:
    """Return the mistakes and waits that the watch notes for an operation."""
    with pretended_device() as watch:
        work(torch.ones(4, device=THERE))
        return watch.mistakes + watch.waits


def steps(config: RunConfig, data: Path, watch: Watch | None) -> dict[str, Any]:
    """Return the places where two steps wait, and the log of both steps, which is read afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        session = module.Session.open(config, load(config.dataset, data), RunFolder(Path(folder)))
        with session.log as log:
            session.model.train()
            if watch:
                watch.waits.clear()
            for _ in range(2):
                train_step(session)
            waits = sorted(set(watch.waits)) if watch else []
            states = [tensor for state in session.optimizer.optimizer.state.values() for tensor in state.values()]
            kinds = {isinstance(tensor, There) for tensor in (*session.module.state_dict().values(), *states)}
            assert kinds == {watch is not None}, "weights or the optimizer's state are on the other device"
            log.flush()
            return {"waits": waits, "log": [json.loads(line) for line in log.path.read_text().splitlines()]}


def evaluation(config: RunConfig, data: Path, watch: Watch | None) -> dict[str, Any]:
    """Return the measurements of every protocol on an encoder with initial weights."""
    device = THERE if watch else HERE
    dataset = load(config.dataset, data)
    encoder = build_run_encoder(config, dataset)
    augmentation = build_augmentation(config.augmentation, dataset, "here")
    embedder = Embedder(encoder, augmentation, dataset, SETTINGS, device)
    found: dict[str, Any] = {}
    for representation in REPRESENTATIONS:
        embedded = embedder.embedded(representation)
        for protocol in PROTOCOLS.values():
            if protocol.id not in ELSEWHERE and protocol.skip(embedded.dataset) is None:
                measured = protocol.measure(embedded)
                found[f"{protocol.id} {representation}"] = [one.value for one in measured if one.reason is None]
        z, za = embedded.directions
        composed = composition_error(z, za, za.flip(0))
        found[f"composition {representation}"] = composed.per_sample.tolist()
        neighbours = torch.arange(len(z), device=device)[:, None]
        found[f"factor {representation}"] = factor_distance(neighbours, z.roll(1, 0), z)
    return found


def both(work: Callable[[Watch | None], Any]) -> dict[str, Any]:
    """Return the results on the CPU (here) and on the device (there), and the mistakes on the device."""
    module.build_fabric = lambda config: Fabric(accelerator="cpu", devices=1)
    here = work(None)
    module.build_fabric = lambda config: Fabric(accelerator=AnyDevice(), strategy=SingleDeviceStrategy(device=THERE))
    with pretended_device() as watch:
        found = {"here": here, "there": work(watch)}
        return {**found, "mistakes": sorted(set(watch.mistakes))}


def main(data: Path, configs: Path, out: Path) -> None:
    runs = {name: RunConfig.parse(run, name) for name, run in json.loads(configs.read_text()).items()}
    result: dict[str, Any] = {
        "planted": {name: noticed(work) for name, work in PLANTED.items()},
        "free": {name: noticed(work) for name, work in FREE.items()},
        "shuffled": noticed(lambda x: View(x, None, torch.tensor([3, 0, 2, 1])).in_batch_order(x)),
        "steps": {name: both(partial(steps, run, data)) for name, run in runs.items()},
        "evaluations": {
            name: both(partial(evaluation, runs[f"{name} simclr"], data)) for name in ("digits", "proteins")
        },
    }
    out.write_text(json.dumps(result))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
