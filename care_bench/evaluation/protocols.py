"""The evaluation protocols: what each measures, on which data, and in which unit. An id fixes every detail."""

from __future__ import annotations

from functools import partial

from torch import Tensor
from torch.nn import functional

from care_bench import plugins
from care_bench.data import PreparedDataset
from care_bench.evaluation.embed import Embedded
from care_bench.evaluation.measurement import Measurement, Metric, Protocol, over_repeats, single
from care_bench.losses import alignment, uniformity
from care_bench.metrics.composition import composition_error
from care_bench.metrics.cosines import cosine_statistics, positive_cosines
from care_bench.metrics.knn import knn
from care_bench.metrics.linear_probe import LinearProbe, cached_linear_probe, linear_probe
from care_bench.metrics.principal_component import principal_component
from care_bench.metrics.relative_equivariance import relative_equivariance_summary
from care_bench.metrics.retrieval import factor_distance, retrieval
from care_bench.metrics.trajectories import regularity
from care_bench.metrics.wahba import wahba

IMAGENET_RECIPE = frozenset({"imagenet100"})
"""Data sets whose linear probe is paper-imagenet100-v1 and not paper-small-v1, by the name in the registry."""
TINT = "tint"
"""Label of the colour that made an image, where a data set has it."""


def _needs_classes(dataset: PreparedDataset) -> str | None:
    return None if "class" in dataset.train.labels else f"{dataset.name} has no class labels"


def _needs_small_images(dataset: PreparedDataset) -> str | None:
    if dataset.name in IMAGENET_RECIPE:
        return f"{dataset.name} is probed under paper-imagenet100-v1"
    return _needs_classes(dataset)


def _needs_imagenet(dataset: PreparedDataset) -> str | None:
    if dataset.name not in IMAGENET_RECIPE:
        return f"this recipe is for {', '.join(sorted(IMAGENET_RECIPE))}, not for {dataset.name}"
    return _needs_classes(dataset)


def _needs_clouds(dataset: PreparedDataset) -> str | None:
    return None if dataset.kind == "point_cloud" else f"{dataset.name} holds images, not point clouds"


def _never(dataset: PreparedDataset) -> str | None:
    return None


def _classification(embedded: Embedded) -> tuple[Tensor, Tensor, Tensor, Tensor, int]:
    assert embedded.train is not None
    dataset = embedded.dataset
    train_labels, test_labels = embedded.labels(dataset.train), embedded.labels(dataset.test)
    return embedded.train, train_labels, embedded.test, test_labels, int(train_labels.max()) + 1


def _probe(result: LinearProbe) -> tuple[Measurement, ...]:
    values = result.top1 if len(result.top1) > 1 else None
    return (Measurement(result.mean, len(result.top1), result.spread, values=values),)


def _measure_paper_probe(protocol: str, embedded: Embedded) -> tuple[Measurement, ...]:
    seeds = range(embedded.settings.classifier_seeds)
    return _probe(linear_probe(*_classification(embedded), seeds=seeds, protocol=protocol))


def _measure_cached_probe(embedded: Embedded) -> tuple[Measurement, ...]:
    return _probe(cached_linear_probe(*_classification(embedded)))


def _measure_knn(embedded: Embedded) -> tuple[Measurement, ...]:
    return (single(knn(*_classification(embedded)).top1),)


def _measure_wahba(embedded: Embedded) -> tuple[Measurement, ...]:
    result = wahba(*embedded.directions)
    worst = Measurement(float(result.error.max()), len(result.error))
    return over_repeats(result.error), worst, over_repeats(result.error_per_sample)


def _measure_relative_equivariance(embedded: Embedded) -> tuple[Measurement, ...]:
    z, za = embedded.directions
    result = relative_equivariance_summary(z, za)
    values = (result.mean, result.median, result.trimmed_mean, result.invariance)
    return tuple(Measurement(value, len(za)) for value in values)


def _measure_cosines(embedded: Embedded) -> tuple[Measurement, ...]:
    result = cosine_statistics(embedded.test, embedded.augmented)
    return over_repeats(result.mean), over_repeats(result.variance), over_repeats(result.fraction_opposed)


def _measure_positive_cosines(embedded: Embedded) -> tuple[Measurement, ...]:
    result = positive_cosines(embedded.augmented)
    pairs = len(result.mean)
    return over_repeats(result.mean), *(Measurement(quantile, pairs) for quantile in result.quantiles)


def _measure_composition(embedded: Embedded) -> tuple[Measurement, ...]:
    assert embedded.composed is not None
    z, za = embedded.directions
    composed = functional.normalize(embedded.composed, dim=-1)
    # Rotations, as Wahba's error has them, although Cor. 1 cannot promise more than orthogonal maps. Their difference
    # is measured where embeddings lie: they rarely span R^d, and elsewhere a rotation is one of many.
    return (over_repeats(composition_error(z, za[: len(composed)], composed, group="SO").per_sample),)


def _measure_alignment_uniformity(embedded: Embedded) -> tuple[Measurement, ...]:
    z, za = embedded.directions
    pairs = zip(za[0::2], za[1::2], strict=False)
    aligned = [float(alignment(first, second)) for first, second in pairs]
    return over_repeats(aligned), single(float(uniformity(z)))


def _measure_retrieval(embedded: Embedded) -> tuple[Measurement, ...]:
    assert embedded.train is not None
    found = retrieval(embedded.train, embedded.test, embedded.augmented)
    return over_repeats(found.overlap), _tint_distance(embedded, found.neighbours)


def _tint_distance(embedded: Embedded, neighbours: Tensor) -> Measurement:
    dataset = embedded.dataset
    if TINT not in dataset.train.labels:
        return Measurement(None, 0, reason=f"{dataset.name} has no label {TINT}: the colour that made an image")
    tints = embedded.labels(dataset.test, TINT), embedded.labels(dataset.train, TINT)
    return single(factor_distance(neighbours, *tints))


def _measure_trajectories(embedded: Embedded) -> tuple[Measurement, ...]:
    assert embedded.trajectories is not None
    result = regularity(embedded.trajectories)
    return over_repeats(result.planarity.flatten()), over_repeats(result.step_variation.flatten())


def _measure_first_component(embedded: Embedded) -> tuple[Measurement, ...]:
    assert embedded.train_augmented is not None
    assert embedded.train_clouds is not None
    assert embedded.test_clouds is not None
    result = principal_component(
        embedded.train_augmented.flatten(0, 1),
        embedded.train_clouds.flatten(0, 1),
        embedded.augmented.flatten(0, 1),
        embedded.test_clouds.flatten(0, 1),
    )
    return single(result.r2), single(result.angle)


TOP1 = (Metric("top1", "%", True),)

PROTOCOLS: tuple[Protocol, ...] = (
    Protocol("paper-small-v1", 1, TOP1, _needs_small_images, partial(_measure_paper_probe, "paper-small-v1")),
    Protocol("paper-imagenet100-v1", 2, TOP1, _needs_imagenet, partial(_measure_paper_probe, "paper-imagenet100-v1")),
    Protocol("cached-v1", 1, TOP1, _needs_classes, _measure_cached_probe),
    Protocol("knn-v1", 1, TOP1, _needs_classes, _measure_knn),
    Protocol(
        "wahba-v1",
        1,
        (
            Metric("wahba_error", "1", False),
            Metric("wahba_error_worst", "1", False),
            Metric("wahba_error_per_sample", "1", False),
        ),
        _never,
        _measure_wahba,
        over_training=True,
    ),
    Protocol(
        "relative-equivariance-v1",
        1,
        (
            # Low where views are equivariant, and also where they have nothing to do with the input.
            Metric("gamma", "1", None),
            Metric("gamma_median", "1", None),
            Metric("gamma_trimmed", "1", None),
            Metric("invariance", "1", None),
        ),
        _never,
        _measure_relative_equivariance,
        over_training=True,
    ),
    Protocol(
        "cosine-v1",
        1,
        (
            Metric("cosine_mean", "1", None),
            Metric("cosine_variance", "1", None),
            Metric("cosine_opposed", "1", None),
        ),
        _never,
        _measure_cosines,
        over_training=True,
    ),
    Protocol(
        "positive-cosine-v1",
        1,
        tuple(Metric(f"positive_cosine_{point}", "1", None) for point in ("mean", "05", "25", "50", "75", "95")),
        _never,
        _measure_positive_cosines,
        over_training=True,
    ),
    Protocol(
        "alignment-uniformity-v1",
        1,
        (Metric("alignment", "1", None), Metric("uniformity", "1", None)),
        _never,
        _measure_alignment_uniformity,
        over_training=True,
    ),
    Protocol("composition-v1", 1, (Metric("composition_error", "1", None),), _never, _measure_composition),
    Protocol(
        "retrieval-v1",
        1,
        (Metric("retrieval_overlap", "%", None), Metric("retrieval_tint_distance", "1", False)),
        _never,
        _measure_retrieval,
    ),
    Protocol(
        "first-pc-v1",
        1,
        (Metric("first_pc_r2", "1", True), Metric("first_pc_angle", "degree", False)),
        _needs_clouds,
        _measure_first_component,
    ),
    Protocol(
        "trajectories-v1",
        1,
        (Metric("trajectory_planarity", "%", True), Metric("trajectory_step_variation", "1", False)),
        _needs_clouds,
        _measure_trajectories,
    ),
)


def _protocol(name: str, found: object) -> Protocol:
    if not isinstance(found, Protocol) or found.id != name:
        raise ValueError(f"holds {found!r}; expected a care_bench.evaluation.measurement.Protocol of that id")
    return found


_REGISTRY: plugins.Registry[Protocol] = plugins.Registry(
    plugins.EVALUATIONS, {protocol.id: protocol for protocol in PROTOCOLS}, _protocol
)


def all_protocols() -> tuple[Protocol, ...]:
    """Return our protocols, then those of installed packages by name.

    Raises:
        CareBenchError: a package's protocol cannot be used; one line that names the package.
    """
    return tuple(_REGISTRY.values())
