"""The part of a profile about one data set: its variants, and the keys of the preset that it replaces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from care_bench.config.base import Settings, spelt
from care_bench.config.evaluation import EvaluationConfig, EvaluationPlan
from care_bench.config.imported import ImportedSettings
from care_bench.config.presets import load_preset
from care_bench.config.run import KINDS, SHAPE, RunConfig
from care_bench.config.sweeps import swept
from care_bench.data import DATASETS
from care_bench.errors import CareBenchError, unknown

PARTS = ("encoder", "augmentation", "training")
"""Parts of a run's configuration that a preset gives."""


class DatasetEvaluation(Settings):
    """What differs in the evaluation of one data set."""

    augmentation: dict[str, Any] = Field(default_factory=dict)
    """Keys of the data set's augmentation to replace when its runs are measured."""

    @model_validator(mode="before")
    @classmethod
    def _not_of_the_profile(cls, content: Any) -> Any:
        for key in content if isinstance(content, dict) else ():
            if key in EvaluationPlan.model_fields:
                raise ValueError(f"{key!r} holds for all data sets; expected in the profile's own `evaluation`")
        return content

    def check_drawn(self, dataset: str, where: str) -> None:
        """Raise CareBenchError unless every replaced key is part of the distribution of the data set's augmentation."""
        samples = DATASETS[dataset].kind
        found = self.augmentation.get("kind", KINDS[samples])
        if found != KINDS[samples]:
            raise CareBenchError(
                f"{where}: augmentation.kind = {spelt(found)} cannot be replaced; expected {KINDS[samples]!r}, since "
                f"the samples are {samples.replace('_', ' ')}s"
            )
        for key in self.augmentation:
            if key != "kind" and samples == "point_cloud":
                raise CareBenchError(
                    f"{where}: augmentation.{key}: the samples are point clouds, whose rotations have no keys to "
                    "replace; expected none"
                )
            if key in SHAPE:
                raise CareBenchError(
                    f"{where}: augmentation: {key} is the run's own; expected keys of the distribution, such "
                    "as 'crop_scale'"
                )


class DatasetPlan(Settings):
    """The runs of one data set."""

    preset: str
    """Preset that gives encoder, augmentation and training: a file of care_bench/config/presets, without `.yaml`."""
    methods: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Variant -> settings of its method, with the method's `name`; `preset`, `encoder`, `augmentation` and `training`
    next to them hold for this variant only. A list of values is a sweep: `weight: [1, 3]` gives a variant for each."""
    imported: dict[str, ImportedSettings] = Field(default_factory=dict)
    """Name -> an encoder that was trained elsewhere, which is measured as those trained here are."""
    encoder: dict[str, Any] = Field(default_factory=dict)
    """Keys of the preset's encoder to replace."""
    augmentation: dict[str, Any] = Field(default_factory=dict)
    """Keys of the preset's augmentation to replace."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Keys of the preset's training to replace."""
    evaluation: DatasetEvaluation = DatasetEvaluation()
    """What differs in its evaluation; by default its runs are measured under the augmentation above."""
    why: dict[str, str] = Field(default_factory=dict)
    """Key of a run's configuration, such as `training.epochs` -> why it is not the paper's."""

    @field_validator("methods", mode="before")
    @classmethod
    def _sweeps(cls, methods: Any) -> Any:
        return swept(methods) if isinstance(methods, dict) else methods

    @field_validator("methods")
    @classmethod
    def _variants(cls, methods: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, variant in methods.items():
            for key in PARTS:
                if not isinstance(variant.get(key, {}), dict):
                    raise ValueError(f"{name}.{key} = {spelt(variant[key])}; expected keys of {key} with their values")
            if not isinstance(variant.get("preset", ""), str):
                raise ValueError(f"{name}.preset = {spelt(variant['preset'])}; expected the name of a preset")
        return methods

    @model_validator(mode="after")
    def _rows_have_their_own_names(self) -> Self:
        if not self.methods and not self.imported:
            raise ValueError("no methods and no imported encoders; expected at least one of them")
        if both := sorted(self.methods.keys() & self.imported.keys()):
            raise ValueError(f"{both[0]!r} names a method and an imported encoder; expected a name for each")
        return self

    def check_reasons(self, runs: Iterable[RunConfig], evaluation: EvaluationConfig, where: str) -> None:
        """Raise CareBenchError unless every key of ``why`` is `seeds`, or a key of some run or of its evaluation."""
        known = {"seeds", *dotted_keys(evaluation.model_dump(mode="json"), "evaluation.")}
        known = known.union(*(dotted_keys(run.model_dump(mode="json")) for run in runs))
        for key in self.why:
            if key not in known:
                raise CareBenchError(f"{where}: why: {unknown('key', key, known)}")

    def parts(self, variant: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Return encoder, augmentation and training of a variant: its preset, the data set's keys, then its own."""
        preset = load_preset(variant.get("preset", self.preset))
        return {key: {**preset[key], **getattr(self, key), **variant.get(key, {})} for key in PARTS}


def dotted_keys(settings: Mapping[str, Any], prefix: str = "") -> set[str]:
    """Return the keys of settings and of the settings in them, such as `training` and `training.optimizer.name`."""
    keys = set()
    for key, value in settings.items():
        keys.add(prefix + key)
        if isinstance(value, Mapping):
            keys |= dotted_keys(value, f"{prefix}{key}.")
    return keys


def check_kind(kind: Any, preset: str, dataset: str, where: str) -> None:
    """Raise CareBenchError if a preset's kind of augmentation is not for the samples of a data set."""
    samples = DATASETS[dataset].kind
    if kind in KINDS.values() and kind != KINDS[samples]:
        raise CareBenchError(
            f"{where}: preset {preset!r} with augmentation {kind!r} does not fit {dataset!r}, whose samples are of "
            f"kind {samples!r}"
        )
