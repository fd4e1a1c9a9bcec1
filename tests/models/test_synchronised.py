"""BatchNorm over the rows of several processes is torch's BatchNorm on all rows together."""

from __future__ import annotations

import copy
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from care_bench.models.batchnorm import synchronise_batchnorm
from care_bench.models.convnet import ConvNet

EXACT, ROUNDED, COARSE = ({"rtol": error, "atol": error} for error in (1e-11, 1e-5, 0.03))


def case(layer: nn.Module, shape: tuple[int, ...], parts: tuple[int, ...], autocast: bool = False) -> dict[str, Any]:
    """Inputs far from the origin, in parts of these numbers of rows, and a gradient for each of them."""
    generator = torch.Generator().manual_seed(len(shape) + sum(parts))
    kind = next(layer.parameters(), torch.empty(0, dtype=torch.float64)).dtype
    draws = [torch.randn(sum(parts), *shape, generator=generator, dtype=torch.float64).to(kind) for _ in range(2)]
    whole = draws[0] * 3 + torch.arange(shape[0], dtype=kind).view(-1, *(1,) * (len(shape) - 1)) * 10
    return {"layer": layer, "inputs": whole.split(parts), "towards": draws[1].split(parts), "autocast": autocast}


def layer(kind: Any, affine: bool = True) -> nn.Module:
    made: Any = kind(3, affine=affine, momentum=0.2).double()
    for number, tensor in enumerate((*made.parameters(), made.running_mean, made.running_var)):
        nn.init.uniform_(tensor, 0.5 + number, 1.5 + number)
    return made  # type: ignore[no-any-return]


CASES = {
    "equal parts": case(layer(nn.BatchNorm2d), (3, 4, 5), (4, 4)),
    "unequal parts": case(layer(nn.BatchNorm2d), (3, 2, 2), (1, 6)),
    "one row each": case(layer(nn.BatchNorm1d), (3,), (1, 1)),
    "rows of vectors, without weights": case(layer(nn.BatchNorm1d, affine=False), (3,), (5, 3)),
    "sequences": case(layer(nn.BatchNorm1d), (3, 7), (2, 3)),
    "float32": case(layer(nn.BatchNorm2d).float(), (3, 4, 4), (6, 2)),
    "bfloat16 in, float32 statistics": case(layer(nn.BatchNorm2d).float(), (3, 4, 4), (6, 2), autocast=True),
}
CASES["bfloat16 in, float32 statistics"]["inputs"] = tuple(
    part.bfloat16() for part in CASES["bfloat16 in, float32 statistics"]["inputs"]
)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, forked_python: Path) -> dict[str, list[dict[str, Any]]]:
    """What each of two processes found, by case."""
    folder = tmp_path_factory.mktemp("ranks")
    torch.save(list(CASES.values()), folder / "cases.pt")
    command = [forked_python, "-m", "tests.models.synchronised_ranks", str(folder)]
    started = [subprocess.Popen([*command, str(rank), "2"], stderr=subprocess.PIPE, text=True) for rank in range(2)]
    errors = [process.communicate(timeout=120)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], errors
    ranks = [torch.load(folder / f"out{rank}.pt", weights_only=False) for rank in range(2)]
    return {name: [rank[number] for rank in ranks] for number, name in enumerate(CASES)}


@pytest.mark.parametrize("name", CASES)
def test_processes_compute_batchnorm_of_all_rows(name: str, found: dict[str, list[dict[str, Any]]]) -> None:
    tolerances = {"float32": ROUNDED, "bfloat16 in, float32 statistics": COARSE}.get(name, EXACT)
    running = EXACT if tolerances is EXACT else ROUNDED
    plain: Any = copy.deepcopy(CASES[name]["layer"]).double()
    inputs = torch.cat(CASES[name]["inputs"]).double().detach().requires_grad_()
    output = plain(inputs)
    output.backward(torch.cat(CASES[name]["towards"]).double())

    def joined(key: str) -> Tensor:
        return torch.cat([rank[key] for rank in found[name]]).double()

    torch.testing.assert_close(joined("output"), output.detach(), **tolerances)
    torch.testing.assert_close(joined("inputs"), inputs.grad, **tolerances)
    for key, weight in plain.named_parameters():  # each process has the part of its rows
        total = sum(rank[key].double() for rank in found[name])
        torch.testing.assert_close(total, weight.grad, **{**tolerances, "atol": 10 * tolerances["atol"]})
    for rank in found[name]:
        assert list(rank["state"]) == list(plain.state_dict())
        for key, value in plain.state_dict().items():
            torch.testing.assert_close(rank["state"][key].double(), value.double(), **running)
    torch.testing.assert_close(joined("eval"), plain.eval()(inputs).detach(), **tolerances)


def test_every_layer_of_a_network_is_replaced_and_keeps_its_state() -> None:
    network = ConvNet(3, width=2)
    before = copy.deepcopy(network.state_dict())
    replaced = synchronise_batchnorm(network)
    kinds = [type(module).__name__ for module in replaced.modules() if "BatchNorm" in type(module).__name__]
    assert kinds
    assert set(kinds) == {"SynchronisedBatchNorm"}
    assert list(before) == list(replaced.state_dict())
    assert all(torch.equal(value, replaced.state_dict()[key]) for key, value in before.items())
    images = torch.randn(4, 3, 8, 8)
    plain = ConvNet(3, width=2)
    plain.load_state_dict(before)
    assert torch.equal(replaced.eval()(images), plain.eval()(images))
    with pytest.raises(ValueError, match="cannot be replaced; expected running statistics with a momentum"):
        synchronise_batchnorm(nn.BatchNorm1d(3, track_running_stats=False))
