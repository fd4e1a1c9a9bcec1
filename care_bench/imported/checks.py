"""What an imported encoder has to do before it is measured: two passes over a few random inputs, watched."""

from __future__ import annotations

import torch
from torch import Tensor

from care_bench.errors import CareBenchError
from care_bench.imported.encoder import ImportedEncoder
from care_bench.imported.users_code import first_line

SAMPLES = 4
BATCH_TOLERANCE = 1e-3
"""Largest difference by rounding between batches of different sizes, over the largest number of a layer."""


def check_passes(encoder: ImportedEncoder, inputs: Tensor, where: str) -> tuple[dict[str, int], float]:
    """Pass inputs through an encoder twice, in evaluation mode.

    Args:
        encoder: to check.
        inputs: a few, as it will be given.
        where: names the encoder in errors.

    Returns:
        Layer -> its dimension, and the largest difference between the two passes, 0 for a deterministic encoder.

    Raises:
        CareBenchError: the encoder cannot take the inputs; it trains in evaluation mode, so that its buffers change;
            its rows depend on the other inputs of a batch; its weights hold NaN; or its output is not finite or of a
            wrong shape or type.
    """
    encoder.eval()
    training = [name or "itself" for name, part in encoder.named_modules() if part.training]
    if training:
        raise CareBenchError(f"{where}: {training[0]} stays in training mode after eval(); expected evaluation mode")
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    for name, tensor in before.items():
        if bool(tensor.isnan().any()):
            raise CareBenchError(f"{where}: {name} holds NaN; expected weights and statistics that are numbers")
    _passed(encoder, inputs, where)
    encoder.find_class_tokens(inputs)
    first, second = _passed(encoder, inputs, where), _passed(encoder, inputs, where)
    for name, tensor in encoder.state_dict().items():
        if not torch.equal(tensor, before[name]):
            raise CareBenchError(
                f"{where}: {name} changes in evaluation mode; expected weights and statistics that stay"
            )
    for name, rows in first.items():
        length = torch.linalg.vector_norm(rows)
        if not bool(torch.isfinite(rows).all()):
            raise CareBenchError(
                f"{where}: layer {name!r} gives NaN or infinity for random inputs; expected finite rows"
            )
        if not 0 < float(length) < float("inf"):
            what = "zero for every input" if float(length) == 0 else "numbers whose squares overflow"
            raise CareBenchError(f"{where}: layer {name!r} gives {what}; expected rows that have a direction")
    part = _passed(encoder, inputs[: SAMPLES // 2], where)
    differences = {name: float((first[name] - second[name]).abs().max()) for name in first}
    for name, rows in first.items():
        rounding = BATCH_TOLERANCE * float(rows.abs().max())
        moved = float((part[name] - rows[: SAMPLES // 2]).abs().max())
        if moved > rounding >= differences[name]:  # passes of one that is not deterministic differ anyway
            raise CareBenchError(
                f"{where}: layer {name!r} gives an input other rows in a batch of {SAMPLES // 2} than in one of "
                f"{SAMPLES}; expected rows that do not depend on the other inputs: BatchNorm with running statistics"
            )
    return {name: rows.shape[1] for name, rows in first.items()}, max(differences.values())


@torch.no_grad()
def _passed(encoder: ImportedEncoder, inputs: Tensor, where: str) -> dict[str, Tensor]:
    try:
        return encoder.represent(inputs)
    except NotImplementedError as error:
        raise CareBenchError(f"{where}: cannot take inputs {tuple(inputs.shape)}: {first_line(error)}") from error


def random_inputs(shape: tuple[int, ...]) -> Tensor:
    """Return a few inputs (n, *shape) in [0, 1], always the same; each is brighter, or larger, than the one before."""
    scale = torch.linspace(0.25, 1, SAMPLES).view(-1, *[1] * len(shape))
    return scale * torch.rand(SAMPLES, *shape, generator=torch.Generator().manual_seed(0))
