"""A small profile on the device: pretraining and evaluation of SimCLR and CARE on tinted digits, by the commands."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.gpu.commands import care_bench
from benchmarks.gpu.found import Found
from benchmarks.gpu.limit import Limit
from benchmarks.runs import RESNET, described, run
from care_bench.artifacts import read_records
from care_bench.data import prepare
from care_bench.files import write_json

SHOWN = (("knn-v1", "top1", "features"), ("relative-equivariance-v1", "gamma_median", "projection"))
"""Protocol, metric and representation of the numbers that are kept."""


def measure(toy: bool, limit: Limit) -> Iterator[Found]:
    """Train five epochs of a ResNet-18 and measure; in the toy size four steps of a convnet."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare("tinted_digits", folder / "data")
        settings = folder / "settings.json"
        write_json(settings, {"augmentations": 4, "classifier_seeds": 1, "samples": 64} if toy else {})
        for method in ("simclr", "care"):
            training: dict[str, Any] = {"steps": 4} if toy else {"epochs": 5}
            config = run("tinted_digits", "tinted_digits", method, training=training, **({} if toy else RESNET))
            write_json(folder / f"{method}.json", config.model_dump(mode="json"))
            what, out, data = f"{config.dataset}: {described(config)}", folder / method, ("--data", folder / "data")
            trained = _seconds("pretrain", folder / f"{method}.json", *data, "--out", out, limit=limit)
            yield Found(f"{what}: pretraining", trained, "s")
            measured = _seconds("evaluate", out, *data, "--settings", settings, limit=limit)
            yield Found(f"{what}: evaluation", measured, "s")
            for record in read_records(out / "records.jsonl"):
                if (record.protocol, record.metric, record.representation) in SHOWN:
                    yield Found(f"{what}: {record.metric} ({record.protocol})", record.value, record.unit)


def _seconds(*arguments: object, limit: Limit) -> float:
    began = time.perf_counter()
    care_bench(*arguments, limit=limit)
    return round(time.perf_counter() - began, 1)
