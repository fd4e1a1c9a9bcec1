"""One process of several that share a BatchNorm: ``python -m tests.models.synchronised_ranks FOLDER RANK PROCESSES``.

FOLDER has cases.pt: the layer, and for each process its inputs and the direction of the gradient.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import distributed

from care_bench.models.batchnorm import synchronise_batchnorm


def main(folder: Path, rank: int, processes: int) -> None:
    """Write what the layer of each case gives to outR.pt."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=processes)
    found = []
    for case in torch.load(folder / "cases.pt", weights_only=False):
        layer = synchronise_batchnorm(case["layer"])
        inputs = case["inputs"][rank].requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=case["autocast"]):
            output = layer(inputs)
        output.backward(case["towards"][rank].to(output.dtype))
        gradients = {name: weight.grad for name, weight in layer.named_parameters()}
        with torch.no_grad():
            frozen = layer.eval()(inputs)
        state = layer.state_dict()
        found.append({"output": output.detach(), "inputs": inputs.grad, "state": state, "eval": frozen} | gradients)
    torch.save(found, folder / f"out{rank}.pt")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
