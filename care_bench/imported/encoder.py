"""An imported module as an encoder that gives several layers in one pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from care_bench.config.imported_run import HEAD
from care_bench.errors import CareBenchError
from care_bench.imported.class_token import class_tokens, enters_first, other_tokens, tokens_seen
from care_bench.imported.pooling import checked, pooled_rows
from care_bench.imported.users_code import first_line
from care_bench.models import FeatureExtractor
from care_bench.untrusted import is_memory_short

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
        CareBenchError: no layer has that name.
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
        self._n = 0
        self._points: int | None = None
        self._caught: dict[str, Tensor] = {}
        self._tokens: frozenset[str] = frozenset()
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
            CareBenchError: a layer gives something else than rows, a map or tokens for every input, or gives them more
                than once in a pass.
        """
        self._caught.clear()
        self._points = None if len(self.mean) else inputs.shape[1]
        self._n = len(inputs)
        features = self._features(self._called(self.module, self._normalised(inputs)))
        rows = {}
        for name in self.representations:
            if name == POOLED:
                rows[name] = features
            elif name == HEAD:
                assert self.projector is not None
                rows[name] = functional.normalize(self._called(self.projector, features), dim=1)
                self.pooling[HEAD] = "scaled to unit length"
            elif name in self._caught:
                rows[name] = self._caught[name]
            else:
                raise CareBenchError(f"{self.where}: layer {name!r} is not called in a pass; expected one that is")
        self._caught.clear()
        return rows

    @torch.no_grad()
    def find_class_tokens(self, inputs: Tensor) -> None:
        """Find the layers whose tokens begin with the class token: those that change if it does.

        Tokens before it is put in front, as those of a patch embedding, do not. None are found where it is put
        elsewhere: where tokens first change, the first of them has to be the only one.

        Args:
            inputs: a few, as :meth:`represent` takes them.
        """
        if next(class_tokens(self.module), None) is None:
            return
        passes = []
        for values in (nullcontext(), nullcontext(), other_tokens(self.module)):
            with values, tokens_seen(self.module, len(inputs)) as seen:
                passes.append((self.represent(inputs), seen))
        (before, plain), (again, noise), (moved, other) = passes
        if not enters_first(plain, noise, other):
            return
        self._tokens = frozenset(
            name
            for name in moved
            if float((moved[name] - before[name]).abs().max()) > 2 * float((again[name] - before[name]).abs().max())
        )

    def _called(self, module: nn.Module, inputs: Tensor) -> Any:
        """Call a module.

        What it raises becomes one line, except for what the measurement answers itself: too little memory, or an
        operation without a derivative.
        """
        try:
            return module(inputs)
        except (CareBenchError, NotImplementedError):
            raise
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            if isinstance(error, Exception) and is_memory_short(error):
                raise
            grey = inputs.ndim == 4 and inputs.shape[1] == 1
            hint = "; a model of colour images takes grey ones with --mean and --std of three numbers" if grey else ""
            line = f"{self.where}: cannot take inputs {tuple(inputs.shape)}: {first_line(error)}{hint}"
            raise CareBenchError(line) from error

    def _normalised(self, inputs: Tensor) -> Tensor:
        if not len(self.mean):
            return inputs
        pixels = inputs.expand(-1, self.repeat, -1, -1) if self.repeat > 1 else inputs
        return (pixels - self.mean) / self.std

    def _features(self, output: Any) -> Tensor:
        """Return the output of the module, which has to be rows already."""
        what = f"{self.where}: layer {POOLED!r} gives"
        found = checked(output, self._n, what)
        if found.ndim != 2:
            raise CareBenchError(
                f"{what} a tensor {tuple(found.shape)}; expected (n, d): let it pool its output, or name the layer "
                "before"
            )
        self.pooling[POOLED] = "as it is"
        return found

    def _catcher(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def catch(part: nn.Module, inputs: Any, output: Any) -> None:
            what = f"{self.where}: layer {name!r} gives"
            if name in self._caught:
                raise CareBenchError(f"{what} more than one output in a pass; expected a layer that is called once")
            token = name in self._tokens
            self._caught[name], self.pooling[name] = pooled_rows(output, part, self._n, self._points, token, what)

        return catch
