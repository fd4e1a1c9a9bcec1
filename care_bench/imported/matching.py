"""Find the weights of an encoder in a checkpoint, whatever was put before their names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from care_bench.errors import CareBenchError
from care_bench.imported.projector import HEADS as PROJECTORS

LAST = ("teacher", "student", "momentum", "target", "ema", "k", "key")
"""Words in a prefix that make it a later choice where several have the same weights. DINO's release evaluates the
teacher, so it comes before the student."""
FIRST = ("state_dict_ema", "model_ema")
"""Beginnings of averaged weights that are preferred: timm evaluates those of its own checkpoints."""
COUNTERS = ".num_batches_tracked"
"""Buffers that older checkpoints lack, and that no output depends on."""
LEAST = 0.1
"""Part of an encoder's weights that its checkpoint has at least."""
HEADS = ("fc", "classifier", "head", "heads", "head_dist", "linear", "last_linear", "logits", *PROJECTORS)
"""Beginnings of what stands behind an encoder in its own part of a checkpoint."""
UNNUMBERED = (nn.Identity, nn.MaxPool2d, nn.Linear)
"""Children that SimCLR's small implementation leaves out of its sequence, as CARE's release does."""


@dataclass(frozen=True)
class Match:
    """What was found of an encoder in a checkpoint.

    Attributes:
        prefix: what its names begin with.
        naming: how its names are read: "by name", or by the place of its children in a sequence.
        tensors: name in the encoder -> tensor of the right shape.
        missing: names of the encoder that were not found.
        wrong: names of the encoder whose tensors have another shape, with both shapes.
        left: names under the prefix that the encoder does not have.
        inside: those of them that belong to a layer of the encoder, so that the checkpoint is of another, larger one.
        others: other prefixes with as many weights.
        used: names in the checkpoint of the tensors.
    """

    prefix: str
    naming: str
    tensors: Mapping[str, Tensor]
    missing: tuple[str, ...]
    wrong: tuple[str, ...]
    left: tuple[str, ...]
    inside: tuple[str, ...]
    others: tuple[str, ...]
    used: frozenset[str]


def match(module: nn.Module, tensors: Mapping[str, Tensor], prefix: str | None, where: str) -> Match:
    """Find the prefix and the naming under which most of the encoder's tensors are found.

    Args:
        module: the encoder.
        tensors: of a checkpoint.
        prefix: the end of the prefix to take; None: the best one.
        where: names the checkpoint in errors.

    Raises:
        CareBenchError: nothing of the encoder is in the checkpoint, or nothing under the prefix.
    """
    wanted = module.state_dict()
    found: dict[tuple[str, str], int] = {}
    for naming, names in _namings(module, list(wanted)):
        ends = {alias: name for name, alias in names.items()}
        for key, tensor in tensors.items():
            for alias in _ends(key):
                name = ends.get(alias)
                if name is not None and _alike(tensor, wanted[name]):
                    place = (key.removesuffix(alias), naming)
                    found[place] = found.get(place, 0) + tensor.numel()
    if prefix is not None:
        asked = prefix.rstrip(".")
        found = {place: n for place, n in found.items() if _is_asked(place[0].rstrip("."), asked)}
        if not found:
            known = ", ".join(sorted({_first(key) for key in tensors})[:8])
            raise CareBenchError(
                f"{where}: nothing of the encoder begins with {prefix!r}; its names begin with {known}"
            )
    weights = sum(tensor.numel() for tensor in wanted.values())
    if max(found.values(), default=0) < LEAST * weights:
        raise CareBenchError(
            f"{where}: holds weights of another architecture: less than {LEAST:.0%} of the encoder's weights, such as "
            f"{next(iter(wanted))}, have name and shape of one of its {len(tensors)} tensors, such as "
            f"{next(iter(tensors))}"
        )
    best = min(found, key=lambda place: (-found[place], _rank(place[0]), len(place[0]), place))
    others = {place[0] for place, n in found.items() if n == found[best] and place[0] != best[0]}
    return _matched(module, tensors, *best, tuple(sorted(others)))


def _matched(
    module: nn.Module, tensors: Mapping[str, Tensor], prefix: str, naming: str, others: tuple[str, ...]
) -> Match:
    wanted = module.state_dict()
    names = dict(_namings(module, list(wanted)))[naming]
    taken, missing, wrong = {}, [], []
    for name, tensor in wanted.items():
        found = tensors.get(prefix + names[name]) if name in names else None
        if name.endswith(COUNTERS) and (found is None or not _alike(found, tensor)):
            continue
        if found is None:
            missing.append(name)
        elif not _alike(found, tensor):
            ours, theirs = (f"{str(one.dtype).removeprefix('torch.')} {tuple(one.shape)}" for one in (tensor, found))
            wrong.append(f"{name} is {theirs}, the encoder's {ours}")
        else:
            taken[name] = found
    used = {prefix + names[name] for name in wanted if name in names}
    left = tuple(key for key in tensors if key.startswith(prefix) and key not in used)
    firsts = {names[name].partition(".")[0] for name in wanted if name in names}
    inside = tuple(key for key in left if _is_inside(key.removeprefix(prefix), firsts))
    return Match(
        prefix,
        naming,
        taken,
        tuple(missing),
        tuple(wrong),
        left,
        inside,
        others,
        frozenset(prefix + names[name] for name in taken),
    )


def _is_inside(key: str, firsts: set[str]) -> bool:
    """Whether a name begins as those of an encoder do, by the same word or by a place in its sequence."""
    first, _, rest = key.partition(".")
    counted = first.isdigit() and bool(rest) and any(one.isdigit() for one in firsts)
    return not key.endswith(COUNTERS) and first not in HEADS and (first in firsts or counted)


def _namings(module: nn.Module, names: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield ways to name the weights: name in the encoder -> name in a checkpoint, without its prefix."""
    yield "by name", {name: name for name in names}
    children = list(module.named_children())
    kept = [(name, child) for name, child in children if not isinstance(child, UNNUMBERED)]
    for naming, listed in (("by place among the layers", children), ("by place, without pooling", kept)):
        places = {name: str(place) for place, (name, _) in enumerate(listed)}
        split = {name: name.partition(".") for name in names}
        yield naming, {name: f"{places[first]}.{rest}" for name, (first, _, rest) in split.items() if first in places}


def _alike(found: Tensor, wanted: Tensor) -> bool:
    """Whether a tensor can take another one's place: its shape, and floating point or not."""
    return found.shape == wanted.shape and found.is_floating_point() == wanted.is_floating_point()


def _ends(key: str) -> Iterator[str]:
    """Yield a name without each of its possible prefixes: `a.b.c`, `b.c`, `c`."""
    while key:
        yield key
        key = key.partition(".")[2]


def _is_asked(found: str, asked: str) -> bool:
    return found == asked or found.endswith(f".{asked}")


def _first(key: str) -> str:
    """Return the first two parts of a name."""
    return ".".join(key.split(".")[:2])


def _rank(prefix: str) -> int:
    """Return the place of a prefix among those with the same weights."""
    if prefix.startswith(FIRST):
        return -1
    words = prefix.replace("_", ".").split(".")
    return max((place for place, word in enumerate(LAST, start=1) if word in words), default=0)
