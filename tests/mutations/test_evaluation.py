"""Errors planted in `care_bench.evaluation` are found by its tests."""

from __future__ import annotations

import pytest

from tests.mutations.conftest import Mutant, Plant, check, check_unchanged

pytestmark = pytest.mark.mutation

EQUIVARIANCE = ("wiring/test_end_to_end.py::test_equivariance",)
COMPOSITION = ("wiring/test_end_to_end.py::test_composition",)
RETRIEVAL = ("wiring/test_end_to_end.py::test_retrieval",)
CLOUDS = ("wiring/test_end_to_end.py::test_point_clouds",)
SETTINGS = ("wiring/test_settings.py::test_every_setting_of_the_evaluation_changes_the_records",)
SPLITS = ("wiring/test_splits.py",)
MODES = ("wiring/test_modes.py",)
EMBED = ("evaluation/test_embed.py",)
PROTOCOLS = ("evaluation/test_protocols.py",)
EMBEDDER = "evaluation/embed.py"
VIEWS = "evaluation/views.py"
EMBEDDED = "evaluation/embedded.py"
PROBE_STREAM = ("evaluation/test_probe_stream.py",)
CERTIFICATE = ("metrics/test_certificate.py",)
HELD_OUT = ("wiring/test_end_to_end.py::test_held_out_maps_and_retrieval",)
PREDICTION = ("wiring/test_end_to_end.py::test_augmentation_prediction",)
PROFILE = ("wiring/test_end_to_end.py::test_augmentation_profile",)
LIE = ("wiring/test_end_to_end.py::test_lie_derivatives",)
PICTURES = ("evaluation/test_illustrations.py",)
HALVES = ("evaluation/test_halves.py", "evaluation/test_resamples.py")
SAMPLING = ("evidence/test_sampling.py",)
MUTANTS = (
    Mutant(
        "halves are drawn with replacement",
        "evaluation/halves.py",
        "torch.randperm(count, generator=draws)[: count // 2]",
        "torch.randint(count, (count // 2,), generator=draws)",
        HALVES,
    ),
    Mutant(
        "rows of a half are in their own order",
        "evaluation/halves.py",
        "yield order[kept[of[order]]]",
        "yield order[kept[of[order]]].sort().values",
        HALVES,
    ),
    Mutant(
        "augmented views are those of other samples",
        "evaluation/halves.py",
        "return found.index_select(_SAMPLES[name], rows.to(found.device))",
        "return found.index_select(_SAMPLES[name], rows.sort().values.to(found.device) if _SAMPLES[name] else rows)",
        HALVES,
    ),
    Mutant(
        "a half of a few groups counts as a half",
        "evidence/sampling.py",
        "self._factor[dataset] * float(",
        "float(",
        SAMPLING,
    ),
    Mutant(
        "the interval over samples is that of a normal distribution",
        "evidence/sampling.py",
        "return float(stdtrit(number - 1, (1 + level) / 2))",
        "return float(stdtrit(10**6, (1 + level) / 2))",
        SAMPLING,
    ),
    Mutant(
        "cosines are under the second draw",
        "evaluation/pictures.py",
        "first = self._test_draw[0]",
        "first = self._test_draw[1]",
        PICTURES,
    ),
    Mutant(
        "the nearest images are those of a plain query twice",
        "evaluation/pictures.py",
        "_nearest(embedder.part(COLOURED)[REPRESENTATION], embedded.train)",
        "_nearest(plain, embedded.train)",
        PICTURES,
    ),
    Mutant(
        "neighbours are test samples",
        "evaluation/pictures.py",
        "return _nearest(plain, embedded.train)",
        "return _nearest(plain, embedded.test)",
        PICTURES,
    ),
    Mutant(
        "a curve is in the plane of its last two components",
        "evaluation/pictures.py",
        "plane = centred @ directions[:2].mT",
        "plane = centred @ directions[-2:].mT",
        PICTURES,
    ),
    Mutant(
        "thumbnails are of other training images",
        "evaluation/pictures.py",
        "dataset.train.inputs[train_rows]",
        "dataset.train.inputs[sorted(train_rows)]",
        PICTURES,
    ),
    Mutant(
        "held-out maps are measured where they were fitted",
        "metrics/held_out.py",
        "source, other = z[rows].double(), z[others].double()",
        "source, other = z[rows].double(), z[rows].double()\n    others = rows",
        HELD_OUT,
    ),
    Mutant(
        "the held-out half is not random",
        EMBEDDED,
        "torch.randperm(n, generator=draws) < n // 2",
        "torch.arange(n) < n // 2",
        HELD_OUT,
    ),
    Mutant(
        "a held-out fraction is of the linear map",
        "evaluation/protocols/held_out_wahba.py",
        "_fractions(found.orthogonal[moved]",
        "_fractions(found.linear[moved]",
        HELD_OUT,
    ),
    Mutant(
        "the transformed input is searched among the fitted half as well",
        "evaluation/protocols/equivariant_retrieval.py",
        "turn(z[other].double()), view[other]",
        "turn(z.double()), view",
        HELD_OUT,
    ),
    Mutant(
        "the untransformed input searches",
        "evaluation/protocols/equivariant_retrieval.py",
        "turn(z[other].double()), view[other]",
        "z[other], view[other]",
        HELD_OUT,
    ),
    Mutant(
        "ties count for the query",
        "metrics/equivariant_retrieval.py",
        "distances <= own + tie",
        "distances < own - tie",
        ("metrics/test_equivariant_retrieval.py",),
    ),
    Mutant(
        "the draw is predicted from train samples alone",
        "evaluation/protocols/augmentation_prediction.py",
        "embedded.test_pairs, test, acts[1]",
        "embedded.train_pairs, train, acts[0]",
        PREDICTION,
    ),
    Mutant(
        "the ridge is chosen on the test draws",
        "metrics/augmentation_prediction.py",
        "best = (_ridge(x[~held], y[~held], x[held], penalties.to(x)) - y[held])",
        "best = (_ridge(x, y, test_x, penalties) - test_y)",
        ("metrics/test_augmentation_prediction.py",),
    ),
    Mutant(
        "train and test samples have the same draws",
        EMBEDDER,
        'f"{name} draws of their own"',
        '"draws of their own"',
        PREDICTION,
    ),
    Mutant(
        "a crop's place is that of its corner",
        "evaluation/protocols/augmentation_prediction.py",
        "left + width / 2",
        "left",
        PREDICTION,
    ),
    Mutant(
        "a colour factor counts where it is not applied",
        "evaluation/protocols/augmentation_prediction.py",
        'column(draws, "jitter") == 1',
        'column(draws, "jitter") >= 0',
        PREDICTION,
    ),
    Mutant(
        "single augmentations are compared with the first strength",
        EMBEDDER,
        'copies = [self._few_of("test", MOST_SINGLE)]',
        "copies = [self._embed(at_strength(self.augmentation, part, 'rotation', 15.0) for part in self._batches(few))]",
        PROFILE,
    ),
    Mutant(
        "strengths of the next augmentation are taken",
        "evaluation/protocols/augmentation_profile.py",
        "first = here.stop",
        "first = here.stop - 1",
        PROFILE,
    ),
    Mutant(
        "tangents are not normalised as views are",
        "evaluation/derivatives.py",
        "image_tangent(views * std + mean, name) / std",
        "image_tangent(views * std + mean, name)",
        LIE,
    ),
    Mutant(
        "derivatives leave the sphere",
        "metrics/lie_derivative.py",
        "return z, velocity - (velocity * z).sum(dim=1, keepdim=True) * z",
        "return z, velocity",
        LIE,
    ),
    Mutant(
        "the generator of a rotation is no skew-symmetric matrix",
        "metrics/lie_derivative.py",
        "(inner - inner.mT) / sums",
        "2 * inner / sums",
        LIE,
    ),
    Mutant(
        "the certificate takes the error over rotations",
        "evaluation/protocols/certificate.py",
        'embedded.wahba_errors["O"]',
        'embedded.wahba_errors["SO"]',
        PROTOCOLS,
    ),
    Mutant(
        "the closed form is taken where it cancels",
        "metrics/wahba.py",
        "(squared > CANCELLING * squares).tolist()",
        "(squared > 0).tolist()",
        ("metrics/test_wahba.py",),
    ),
    Mutant(
        "the closed form is taken where it cancels, without maps",
        "metrics/wahba.py",
        "amin(dim=0) <= CANCELLING * squares",
        "amin(dim=0) <= -squares",
        ("metrics/test_wahba.py",),
    ),
    Mutant(
        "the errors of later draws are those of reflections",
        "metrics/wahba.py",
        "torch.linalg.slogdet(products).sign",
        "torch.ones_like(products[:, 0, 0])",
        ("metrics/test_wahba.py",),
    ),
    Mutant(
        "of a large set, the certificate is held out as of a small one",
        "evaluation/protocols/certificate.py",
        "embedded.held_out.orthogonal if embedded.is_large else None",
        "None",
        PROTOCOLS,
    ),
    Mutant(
        "of a large set, as many draws are composed",
        "evaluation/measurement.py",
        "COMPOSED if samples <= MOST_SAMPLES else FEW_COMPOSED",
        "COMPOSED",
        PROTOCOLS,
    ),
    Mutant(
        "the pairs of a sample hold other plain samples",
        EMBEDDER,
        "plain = self._few_of(name, len(few))",
        'plain = self._few_of("train", len(few))',
        PREDICTION,
    ),
    Mutant(
        "a map out of the span of few samples is left out",
        "metrics/lie_derivative.py",
        "(self.vectors @ turned + outer).mT - others @ outer @ self.vectors.mT",
        "(self.vectors @ turned).mT",
        ("metrics/test_lie_derivative.py",),
    ),
    Mutant(
        "the later draws have the errors of the first ones",
        EMBEDDED,
        "wahba_errors(z, za[few:])",
        "wahba_errors(z, za[: len(za) - few])",
        PROTOCOLS,
    ),
    Mutant(
        "the released probe tests in training mode",
        "evaluation/probe_stream.py",
        "self.backbone.eval()",
        "self.backbone.train()",
        PROBE_STREAM,
    ),
    Mutant(
        "the released probe has the augmentations of the evaluation",
        EMBEDDER,
        "self.pretraining if released",
        "self.augmentation if released",
        PROBE_STREAM,
    ),
    Mutant(
        "the released probe has one draw for all epochs",
        "evaluation/probe_stream.py",
        'self.seed, "probe", number',
        'self.seed, "probe"',
        PROBE_STREAM,
    ),
    Mutant(
        "the certificate forgets the mass of the views outside",
        "metrics/certificate.py",
        " + (squares.sum() - squares.cumsum(0))",
        "",
        CERTIFICATE,
    ),
    Mutant(
        "the certificate's held-out map has seen its samples",
        "metrics/certificate.py",
        "for fitted, other in (halves, halves[::-1])",
        "for other, fitted in ((halves[0], halves[0]), (halves[1], halves[1]))",
        CERTIFICATE,
    ),
    Mutant(
        "bound and held-out error of the certificate are swapped",
        "evaluation/protocols/certificate.py",
        "found.held_out_error),\n        over_repeats(found.bound)",
        "found.bound),\n        over_repeats(found.held_out_error)",
        ("wiring/test_end_to_end.py::test_certificate",),
    ),
    Mutant("embeddings in training mode", EMBEDDER, "encoder.to(device).eval()", "encoder.to(device).train()", MODES),
    Mutant(
        "probes are fitted on test rows",
        EMBEDDED,
        "return self.train, train_labels, self.test,",
        "return self.test, self.labels(self.dataset.test), self.test,",
        SPLITS,
    ),
    Mutant(
        "probes are tested on train rows",
        EMBEDDED,
        "self.test, self.labels(self.dataset.test), int(",
        "self.train, train_labels, int(",
        SPLITS,
    ),
    Mutant(
        "test labels are in another order",
        EMBEDDED,
        "self.test, self.labels(self.dataset.test), int(",
        "self.test, self.labels(self.dataset.test).flip(0), int(",
        SPLITS,
    ),
    Mutant(
        "the scaler of the probe sees test rows",
        "metrics/linear_probe.py",
        "model = fit_cached(train_features, train_labels) if known is None else known",
        "model = fit_cached(train_features, train_labels) if known is None else known\n"
        "    model[0].fit(torch.cat([train_features, test_features]).detach().double().cpu().numpy())",
        SPLITS,
    ),
    Mutant(
        "samples without a label are in the probe",
        EMBEDDER,
        "evenly_spaced(labelled(dataset.train), most)",
        "evenly_spaced(dataset.train, most)",
        SPLITS,
    ),
    Mutant(
        "the first component is learnt on test embeddings",
        "evaluation/protocols/point_clouds.py",
        "embedded.train_augmented.flatten(0, 1),\n        embedded.train_clouds.flatten(0, 1),",
        "embedded.augmented.flatten(0, 1),\n        embedded.test_clouds.flatten(0, 1),",
        SPLITS,
    ),
    Mutant(
        "the first component is scored on train clouds",
        "evaluation/protocols/point_clouds.py",
        "embedded.augmented.flatten(0, 1),\n        embedded.test_clouds.flatten(0, 1),",
        "embedded.train_augmented.flatten(0, 1),\n        embedded.train_clouds.flatten(0, 1),",
        SPLITS,
    ),
    Mutant(
        "train clouds are turned as test clouds are",
        EMBEDDER,
        'return self._draw("train augmentations")',
        'return self._draw("test augmentations")',
        CLOUDS,
    ),
    Mutant(
        "the seed of the augmentations is ignored",
        EMBEDDER,
        "self.settings.augmentation_seed, purpose",
        "0, purpose",
        SETTINGS,
    ),
    Mutant(
        "all data sets have the same draws",
        EMBEDDER,
        "generator(self.dataset.name, self",
        "generator('', self",
        EQUIVARIANCE,
    ),
    Mutant(
        "every copy has the first augmentation",
        EMBEDDER,
        "of_one_draw(self.augmentation, samples, parameters[i])\n\n        return",
        "of_one_draw(self.augmentation, samples, parameters[0])\n\n        return",
        EQUIVARIANCE,
    ),
    Mutant(
        "the second augmentation of a composition is applied first",
        EMBEDDER,
        "of_one_draw(after, of_one_draw(before, samples, first[i]), second[i])",
        "of_one_draw(after, of_one_draw(before, samples, second[i]), first[i])",
        COMPOSITION,
    ),
    Mutant(
        "a composition is normalised twice",
        VIEWS,
        "before = replace(augmentation, mean=(0.0,) * channels, std=(1.0,) * channels)",
        "before = replace(augmentation)",
        COMPOSITION,
    ),
    Mutant(
        "a few samples are the first ones",
        "data/subsets.py",
        "np.arange(most) * number // most",
        "np.arange(most)",
        EMBED,
    ),
    Mutant(
        "features are measured as projections",
        "models/encoder.py",
        '"projection": self.project(features)',
        '"projection": features.float()',
        EQUIVARIANCE,
    ),
    Mutant(
        "the projector sees the features normalised",
        "models/encoder.py",
        '"projection": self.project(features)',
        '"projection": self.project(functional.normalize(features, dim=1))',
        EQUIVARIANCE,
    ),
    Mutant(
        "equivariance is measured off the sphere",
        EMBEDDED,
        "return functional.normalize(self.test, dim=-1), functional.normalize(self.augmented, dim=-1)",
        "return self.test, self.augmented",
        EQUIVARIANCE,
    ),
    Mutant(
        "compositions are compared over O(d)",
        "evaluation/protocols/composition.py",
        'composed, group="SO", known=known)',
        'composed, group="O")',
        SPLITS,
    ),
    Mutant(
        "the worst augmentation is the best one",
        "evaluation/protocols/wahba.py",
        "result.error.max()",
        "result.error.min()",
        EQUIVARIANCE,
    ),
    Mutant(
        "median and trimmed mean change places",
        "evaluation/protocols/relative_equivariance.py",
        "(result.mean, result.median, result.trimmed_mean, result.invariance)",
        "(result.mean, result.trimmed_mean, result.median, result.invariance)",
        EQUIVARIANCE,
    ),
    Mutant(
        "alignment is that of neighbouring pairs that overlap",
        "evaluation/protocols/alignment_uniformity.py",
        "zip(za[0::2], za[1::2], strict=False)",
        "zip(za, za[1:], strict=False)",
        EQUIVARIANCE,
    ),
    Mutant(
        "uniformity is that of augmented views",
        "evaluation/protocols/alignment_uniformity.py",
        "float(uniformity(z))",
        "float(uniformity(za[0]))",
        EQUIVARIANCE,
    ),
    Mutant(
        "neighbours are test samples",
        "evaluation/protocols/retrieval.py",
        "retrieval(embedded.train, embedded.test,",
        "retrieval(embedded.test, embedded.test,",
        RETRIEVAL,
    ),
    Mutant(
        "tints of train and test change places",
        "evaluation/protocols/retrieval.py",
        "embedded.labels(dataset.test, TINT), embedded.labels(dataset.train, TINT)",
        "embedded.labels(dataset.train, TINT), embedded.labels(dataset.test, TINT)",
        (*SPLITS, *PROTOCOLS),
    ),
    Mutant(
        "the classifier seeds are not those of the settings",
        "evaluation/protocols/linear_probes.py",
        "range(embedded.settings.classifier_seeds)",
        "range(2)",
        SETTINGS,
    ),
    Mutant(
        "the spread has ddof 0",
        "evaluation/measurement.py",
        "/ (len(numbers) - 1))",
        "/ len(numbers))",
        PROTOCOLS,
    ),
    Mutant(
        "snapshots are measured with the last weights",
        "evaluation/run.py",
        "load_encoder_weights(encoder, weights.path, config.sha256())",
        "load_encoder_weights(encoder, task.folder.encoder, config.sha256())",
        ("evaluation/test_snapshots.py",),
    ),
    Mutant(
        "runs are measured under their own augmentations",
        "evaluation/run.py",
        "settings.augmentation_of(config), dataset",
        "config.augmentation, dataset",
        SETTINGS,
    ),
    Mutant(
        "a value that is not finite is recorded",
        "evaluation/records.py",
        "return tuple(_defined(measurement) for measurement in measurements)",
        "return measurements",
        ("evaluation/test_run.py",),
    ),
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_is_found(mutant: Mutant, plant: Plant) -> None:
    check(plant, mutant)


def test_the_same_tests_pass_on_an_unchanged_copy(plant: Plant) -> None:
    check_unchanged(plant, MUTANTS)
