"""Rules that decide claims: which rows are compared, by which metric, and what counts as support. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, field_validator, model_validator

from care_bench.config.base import Settings
from care_bench.config.run import Seed
from care_bench.config.yaml_files import kind_of, parse_yaml
from care_bench.errors import CareBenchError
from care_bench.files import sha256_bytes
from care_bench.names import Representation
from care_bench.untrusted import decoding, read_bytes

Name: TypeAlias = Annotated[str, Field(min_length=1)]
Names: TypeAlias = Annotated[tuple[Name, ...], Field(min_length=1)]
Epoch: TypeAlias = Annotated[int, Field(ge=0)] | None
Share: TypeAlias = Annotated[float, Field(gt=0.5, lt=1)]


class Measure(Settings):
    """A metric of one encoder."""

    protocol: Name
    metric: Name
    representation: Representation = "projection"


class CollapseGuard(Measure):
    """No verdict where this metric of the row exceeds its opponent's: a collapsed encoder wins without effort."""

    most: Annotated[float, Field(ge=0)]
    """Largest excess, mean over the seeds."""


class Guards(Settings):
    """What has to be in order before a comparison counts."""

    collapse: CollapseGuard | None = None
    movement: Measure | None = None
    """What `matched` rows are matched by: how far embeddings move under augmentation."""


class Comparison(Settings):
    """One metric of some rows, each against each opponent, on each data set, representation and epoch.

    The effect of a seed is that of the row relative to the opponent with the same seed. Without an opponent it is the
    value of the row.
    """

    rows: Names
    """Variants of the profile that the claim speaks for."""
    against: tuple[Name, ...] = ()
    """Variants they are compared with."""
    matched: Annotated[tuple[Name, ...], Field(min_length=2)] | None = None
    """Variants between which the one opponent is interpolated, for each seed where it moves as far as the row."""
    datasets: Names
    protocols: Names
    """Protocols that measure the metric. All of them have to agree."""
    metric: Name
    representations: Annotated[tuple[Representation, ...], Field(min_length=1)] = ("projection",)
    epochs: Annotated[tuple[Epoch, ...], Field(min_length=1)] = (None,)
    """Epochs of snapshots; null for the end of training."""
    of: Literal["value", "share_of_draws"] = "value"
    """What is compared: values, or the share of the augmentations that change anything for which the row is on the
    claim's side of its opponent; that share has to be above `beyond`."""
    scale: Literal["difference", "log_ratio"] = "difference"
    direction: Literal["lower", "higher", "equivalent"]
    """The side that the claim takes."""
    beyond: float | None = None
    """What divides the two sides: 0 for a difference and the ratio 1 by default."""
    smallest_effect: float | None = None
    """What the mean effect has to reach to be worth having, a difference or ratio; by default as `beyond`."""
    margin: Annotated[float, Field(gt=0)] | None = None
    """Of `equivalent`: the largest difference either way, or the largest ratio of the larger to the smaller."""

    @property
    def divide(self) -> float:
        """What divides the two sides, with its default: a difference, a ratio, or a value without an opponent."""
        default = 1.0 if self.scale == "log_ratio" else 0.0
        return default if self.beyond is None else self.beyond

    @property
    def worth(self) -> float:
        """What the mean effect has to reach."""
        return self.divide if self.smallest_effect is None else self.smallest_effect

    @model_validator(mode="after")
    def _opponents_fit(self) -> Self:
        if self.against and self.matched:
            raise ValueError("both 'against' and 'matched' are set; expected one of the two")
        if not self.against and not self.matched and (self.beyond is None or self.scale != "difference"):
            raise ValueError("no opponent is set; expected 'against' or 'matched', or 'beyond' for a value on its own")
        if self.of == "share_of_draws":
            if not self.against or self.beyond is None or self.scale != "difference" or self.direction == "equivalent":
                raise ValueError("a share of draws needs 'against', 'beyond', a direction, and the scale 'difference'")
            if not 0 < self.beyond < 1:
                raise ValueError(f"beyond = {self.beyond:g} is no share; expected a number between 0 and 1")
        return self

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if (self.direction == "equivalent") != (self.margin is not None):
            raise ValueError("expected 'margin' exactly where direction = 'equivalent'")
        if self.margin is not None:
            if (self.beyond, self.smallest_effect) != (None, None):
                raise ValueError("an equivalence has a 'margin'; expected neither 'beyond' nor 'smallest_effect'")
            if self.scale == "log_ratio" and self.margin <= 1:
                raise ValueError(f"margin = {self.margin:g} is no ratio of the larger to the smaller; expected above 1")
        if self.scale == "log_ratio" and min(self.divide, self.worth) <= 0:
            raise ValueError("'beyond' and 'smallest_effect' of a ratio have to be above 0")
        sign = -1 if self.direction == "lower" and self.of == "value" else 1
        if sign * self.worth < sign * self.divide:
            raise ValueError(f"smallest_effect = {self.worth:g} is on the other side of beyond = {self.divide:g}")
        return self


class Sweep(Settings):
    """Where the best of several rows has to lie, in bootstrap samples of the seeds."""

    rows: Annotated[dict[Name, float], Field(min_length=2)]
    """Variant -> the setting that is swept."""
    inside: tuple[float, float]
    """Range of the setting, both ends included."""
    share: Share = 0.95
    """Share of the samples whose best row lies inside that supports the claim; 1 - share contradicts it."""
    direction: Literal["lower", "higher"]
    """The better side of the metric."""
    datasets: Names
    protocols: Names
    metric: Name
    representation: Representation = "projection"

    @field_validator("inside")
    @classmethod
    def _rises(cls, inside: tuple[float, float]) -> tuple[float, float]:
        if not inside[0] <= inside[1]:
            raise ValueError(f"inside = {list(inside)}; expected the lower end first")
        return inside

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if len({self.holds(setting) for setting in self.rows.values()}) == 1:
            raise ValueError(
                f"inside = {list(self.inside)} does not divide the rows; expected some in it, and some not"
            )
        return self

    def holds(self, setting: float) -> bool:
        """Say whether a setting lies inside."""
        return self.inside[0] <= setting <= self.inside[1]


class Claim(Settings):
    """A claim with the rule that decides it, or the reason why nothing here can."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$")]
    text: Name
    source: Name
    """Where it is stated."""
    not_decided: Name | None = None
    """Why no rule decides it."""
    comparisons: tuple[Comparison, ...] = ()
    sweep: Sweep | None = None
    quantifier: Literal["all", "any"] = "all"
    """Whether all comparisons or any of them has to be on the claim's side."""
    least_seeds: Annotated[int, Field(ge=5)] = 5
    """Fewest pairs of seeds for a verdict."""
    family: Name | None = None
    """Claims of one family share its level (Holm); by default a claim is a family of its own."""
    guards: Guards = Guards()

    @model_validator(mode="after")
    def _decidable(self) -> Self:
        if (self.not_decided is None) != bool(self.comparisons):
            raise ValueError(f"claim {self.id}: expected either 'comparisons' or 'not_decided'")
        if self.not_decided is not None and self.sweep is not None:
            raise ValueError(f"claim {self.id}: expected no 'sweep' beside 'not_decided'")
        if any(found.matched for found in self.comparisons) != (self.guards.movement is not None):
            raise ValueError(f"claim {self.id}: expected 'guards.movement' exactly where a comparison has 'matched'")
        if self.guards.collapse and not any(found.against or found.matched for found in self.comparisons):
            raise ValueError(f"claim {self.id}: 'guards.collapse' has no opponent to compare with")
        return self


class ClaimRules(Settings):
    """The rules of a profile, fixed before the runs that they decide on."""

    profile: Name
    """The profile whose records decide."""
    seeds: Annotated[tuple[Seed, ...], Field(min_length=5)]
    """Pretraining seeds that decide; records of others are left out."""
    claims: Annotated[tuple[Claim, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        ids = [claim.id for claim in self.claims]
        if repeated := [name for index, name in enumerate(ids) if name in ids[:index]]:
            raise ValueError(f"claim {repeated[0]} is there twice; expected every id once")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("a seed is repeated; expected distinct seeds")
        return self


def parse_claims(content: Any, where: str) -> ClaimRules:
    """Validate plain data as rules; ``where`` is named in errors."""
    if not isinstance(content, Mapping):
        raise CareBenchError(f"{where}: expected the keys of rules for claims, found {kind_of(content)}")
    return ClaimRules.parse(content, where)


def claims_in(content: bytes, where: str) -> tuple[ClaimRules, str]:
    """Read the content of a file of rules, as :func:`read_claims` does; ``where`` is named in errors."""
    with decoding(Path(where), "expected rules for claims as YAML"):
        text = content.decode()
    digest = sha256_bytes(content)
    if digest not in _KNOWN:
        _KNOWN[digest] = parse_claims(parse_yaml(text, where), where)
    return _KNOWN[digest], digest


_KNOWN: dict[str, ClaimRules] = {}
"""SHA-256 -> rules: a report asks for the same ones several times, and YAML takes a tenth of a second."""


def read_claims(path: Path) -> tuple[ClaimRules, str]:
    """Read a file of rules.

    Returns:
        The rules, and the SHA-256 of the file.

    Raises:
        CareBenchError: no such file, not YAML, or not rules; one line naming the first wrong key.
    """
    return claims_in(read_bytes(path, "expected rules for claims as YAML"), str(path))
