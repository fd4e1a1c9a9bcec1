"""Loss, terms and every gradient of the first step of runs, in float64: ``... gradients_of_ranks JOB OUT``.

JOB is a JSON file with the folder of data and the configurations of the runs; rank 0 writes a list to OUT. It is
started alone for runs on one device, or by torchrun.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from care_bench.config import RunConfig
from care_bench.data import load
from care_bench.runs.folder import RunFolder
from care_bench.training.pretrain import make_views
from care_bench.training.session import Session


def first_step(config: RunConfig, data: Path) -> dict[str, Any]:
    """Return what the first step of a run gives before its update, the same on every rank."""
    with tempfile.TemporaryDirectory() as folder:
        session = Session.open(config, load(config.dataset, data), RunFolder(Path(folder) / "run"))
        with session.log:
            session.model.train()
            views = make_views(session)
            for view in views:
                view.inputs = view.inputs.double()
            loss, terms, ratio = session.model(views, True)
            session.fabric.backward(loss)
    parameters = session.module.named_parameters()
    gradients = {f"gradient of {name}": weight.grad for name, weight in parameters if weight.grad is not None}
    state = {f"state {name}": value for name, value in session.module.state_dict().items()}
    return {"loss": loss.detach(), **terms, **ratio, **gradients, **state}


def main(job: Path, out: Path) -> None:
    """Work through the runs of a job, with all arithmetic in float64."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    Tensor.float = Tensor.double  # type: ignore[method-assign]  # where the package asks for float32
    said = json.loads(job.read_text())
    found = [first_step(RunConfig.parse(run, "run"), Path(said["data"])) for run in said["runs"]]
    if not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0:
        torch.save([{name: value.detach() for name, value in one.items()} for one in found], out)
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
