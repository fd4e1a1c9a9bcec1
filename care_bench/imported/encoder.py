"""An imported module as an encoder that gives several layers in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from care_bench.config.imported_run import HEAD
from care_bench.errors import CareBenchError
from care_bench.models import FeatureExtractor

POOLED = "pooled"
"""The output of the module itself."""


class ImportedEncoder(FeatureExtractor):
    """A module with its input's statistics, its projection head and hooks on its layers.

    Args:
        module: normalised inputs -> pooled features (n, d).
        projector: pooled features -> projection; None where there is none.
        layers: names of the layers: `pooled`, `projector` and names of submodules.
        mean, std: of its channels; empty for point clouds. Inputs are images in [0, 1] or point clouds.
        repeat: how often the one channel of grey images is repeated.
        where: names the encoder in errors.

    Attributes:
        pooling: layer -> how its output became rows, in words; filled by the first pass.

    Raises:
        CareBenchError: no layer of a name.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        module: nn.Module,
        projector: nn.Module | None,
        layers: Sequence[str],
        mean: Sequence[float],
        std: Sequence[float],
        repeat: int,
        where: str,
    ) -> None:
        super().__init__()
        self.module = module
        self.projector = projector
        self.representations = tuple(layers)
        self.repeat = repeat
        self.where = where
        self.pooling: dict[str, str] = {}
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)
        self._caught: dict[str, Any] = {}
        parts = dict(module.named_modules())
        for name in layers:
            if name in (POOLED, HEAD):
                continue
            if name not in parts:
                near = get_close_matches(name, [part for part in parts if part], n=3, cutoff=0.4)
                hint = f"did you mean {', '.join(near)}?" if near else f"it has {', '.join(list(parts)[1:9])} ..."
                raise CareBenchError(f"{where}: unknown layer {name!r}: {hint}")
            parts[name].register_forward_hook(self._catcher(name))

    def represent(self, inputs: Tensor) -> dict[str, Tensor]:
        """Return layer -> (n, d) in float32; the projector's rows have unit length.

        Raises:
            CareBenchError: a layer gives something else than rows, a map or tokens for every input.
        """
        self._caught.clear()
        pooled = self.module(self._normalised(inputs))
        rows = {}
        for name in self.representations:
            if name in (POOLED, HEAD):
                found = self._rows(name, pooled, len(inputs), pools=False)
                if name == HEAD:
                    assert self.projector is not None
                    found = functional.normalize(self.projector(found), dim=1)
                    self.pooling[HEAD] = "scaled to unit length"
            else:
                found = self._rows(name, self._caught.get(name), len(inputs), pools=True)
            rows[name] = found
        self._caught.clear()
        return rows

    def _normalised(self, inputs: Tensor) -> Tensor:
        if not len(self.mean):
            return inputs
        pixels = inputs.expand(-1, self.repeat, -1, -1) if self.repeat > 1 else inputs
        return (pixels - self.mean) / self.std

    def _catcher(self, name: str) -> Any:
        def catch(module: nn.Module, inputs: Any, output: Any) -> None:
            self._caught[name] = output

        return catch

    def _rows(self, name: str, output: Any, n: int, pools: bool) -> Tensor:
        """Return the rows of an output, pooled where that is allowed."""
        what = f"{self.where}: layer {name!r} gives"
        if not isinstance(output, Tensor):
            kind = "nothing" if output is None else f"a {type(output).__name__}"
            raise CareBenchError(f"{what} {kind}; expected a tensor of one row per input")
        shape = tuple(output.shape)
        if 0 in shape[1:]:
            raise CareBenchError(f"{what} a tensor {shape}; expected at least one number per input")
        if not shape or shape[0] != n:
            raise CareBenchError(f"{what} a tensor {shape} for {n} inputs; expected {n} rows")
        if output.ndim > 2 and not pools:
            raise CareBenchError(
                f"{what} a tensor {shape}; expected (n, d): let it pool its output, or name the layer before"
            )
        if output.dtype != torch.float32:
            raise CareBenchError(f"{what} {str(output.dtype).removeprefix('torch.')}; expected float32")
        if output.ndim == 2:
            self.pooling[name] = "as it is"
            return output
        if output.ndim == 4:
            last = self._channels_last()
            self.pooling[name] = "mean over the map"
            return output.mean(dim=(1, 2) if last else (2, 3))
        if output.ndim == 3:
            first = any(getattr(self.module, token, None) is not None for token in ("cls_token", "class_token"))
            self.pooling[name] = "class token" if first else "mean over tokens"
            return output[:, 0] if first else output.mean(dim=1)
        raise CareBenchError(f"{what} a tensor {shape}; expected rows (n, d), a map (n, c, h, w) or tokens (n, t, d)")

    def _channels_last(self) -> bool:
        """Whether maps have their channels last, as those of Swin transformers have."""
        return "NHWC" in str(getattr(self.module, "output_fmt", "")) or "Swin" in type(self.module).__name__
