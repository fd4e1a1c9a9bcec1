"""Errors planted in `care_bench.methods` are found by its tests."""

from __future__ import annotations

import pytest

from tests.mutations.conftest import Mutant, Plant, check, check_unchanged

pytestmark = pytest.mark.mutation

GRADIENTS = ("wiring/test_gradients.py",)
RUN = ("wiring/test_training_run.py",)
SETTINGS = ("wiring/test_settings.py", "wiring/test_settings_of_runs.py")
MUTANTS = (
    Mutant(
        "the second view of SimCLR is detached",
        "methods/simclr.py",
        "info_nce_terms(first, second, self",
        "info_nce_terms(first, second.detach(), self",
        GRADIENTS,
    ),
    Mutant(
        "the second view of Barlow Twins is detached",
        "methods/barlow_twins.py",
        "barlow_twins_terms(first, second)",
        "barlow_twins_terms(first, second.detach())",
        GRADIENTS,
    ),
    Mutant(
        "a view of the equivariance term is detached",
        "methods/equivariance.py",
        "self.loss(first, second)",
        "self.loss(first, second.detach())",
        GRADIENTS,
    ),
    Mutant(
        "a part of BatchNorm has one chunk alone",
        "methods/equivariance.py",
        "return view.in_batch_order(directions)",
        "return directions",
        ("methods/test_shuffled_equivariance.py",),
    ),
    Mutant(
        "a view of the invariance term is detached",
        "methods/invariance.py",
        "alignment(first, second)",
        "alignment(first.detach(), second)",
        GRADIENTS,
    ),
    Mutant(
        "EquiMod predicts from a detached view",
        "methods/equimod.py",
        "torch.cat([start] * len(vectors))",
        "torch.cat([start.detach()] * len(vectors))",
        GRADIENTS,
    ),
    Mutant(
        "EquiMod's targets are detached",
        "methods/equimod.py",
        "functional.normalize(torch.cat(actual), dim=1)",
        "functional.normalize(torch.cat(actual).detach(), dim=1)",
        GRADIENTS,
    ),
    Mutant(
        "AugSelf's features are detached",
        "methods/augself.py",
        "torch.cat(list(pair), dim=1) for pair",
        "torch.cat(list(pair), dim=1).detach() for pair",
        GRADIENTS,
    ),
    Mutant(
        "AugSelf predicts the difference the other way round",
        "methods/augself.py",
        "crop_difference(first, second), crop_difference(second, first)",
        "crop_difference(second, first), crop_difference(first, second)",
        ("methods/test_augself.py",),
    ),
    Mutant(
        "the prediction of all parameters is the other way round",
        "methods/parameter_prediction.py",
        "first - second",
        "second - first",
        ("methods/test_parameter_prediction.py",),
    ),
    Mutant(
        "a term that CARE adds is not told apart",
        "methods/care.py",
        'self.added = ("equivariance",)',
        "self.added = ()",
        RUN,
    ),
    Mutant(
        "AugSelf's base has no state after a step",
        "methods/augself.py",
        "        self.base.after_step(encoder, step, total)\n",
        "        pass\n",
        RUN,
    ),
    Mutant(
        "EquiMod's base has no state after a step",
        "methods/equimod.py",
        "        self.base.after_step(encoder, step, total)\n",
        "        pass\n",
        RUN,
    ),
    Mutant(
        "CARE's base has no state after a step",
        "methods/care.py",
        "        self.base.after_step(encoder, step, total)\n",
        "        pass\n",
        RUN,
    ),
    Mutant(
        "the equivariance term sees the views of the base method",
        "methods/care.py",
        "self.equivariance(encoder, views[-2:])",
        "self.equivariance(encoder, views[:2])",
        ("methods/test_simclr_and_care.py",),
    ),
    Mutant(
        "the weight of the equivariance term is ignored",
        "methods/care.py",
        '"equivariance": weight}',
        '"equivariance": 1.0}',
        SETTINGS,
    ),
    Mutant(
        "chunks share one draw",
        "methods/equivariance.py",
        'settings.splits if settings.sharing == "chunk" else 1',
        "1",
        ("wiring/test_draws.py",),
    ),
    Mutant(
        "the fidelity is ignored",
        "methods/equivariance.py",
        "Equivariance(settings.splits, settings.fidelity)",
        "Equivariance(settings.splits)",
        SETTINGS,
    ),
    Mutant(
        "equivariance acts on the projection alone",
        "methods/equivariance.py",
        "return cls(loss, draws, settings.representation)",
        "return cls(loss, draws)",
        SETTINGS,
    ),
    Mutant(
        "BYOL's target is its own view",
        "methods/byol.py",
        "self.loss(predicted[0], targets[1]) + self.loss(predicted[1], targets[0])",
        "self.loss(predicted[0], targets[0]) + self.loss(predicted[1], targets[1])",
        ("methods/test_byol.py",),
    ),
    Mutant(
        "BYOL's momentum is a step late",
        "methods/byol.py",
        "cosine_momentum(self.momentum, step - 1, total)",
        "cosine_momentum(self.momentum, step, total)",
        RUN,
    ),
    Mutant(
        "momentum encoders are trained",
        "methods/momentum.py",
        "copy.deepcopy(encoder).requires_grad_(False)",
        "copy.deepcopy(encoder)",
        RUN,
    ),
    Mutant(
        "the momentum encoder is the encoder",
        "methods/momentum.py",
        "copy.deepcopy(encoder).requires_grad_(False)",
        "encoder",
        RUN,
    ),
    Mutant(
        "the queue moves on by one key a step",
        "methods/moco_v2.py",
        "self.position.copy_((self.position + len(keys)) % len(self.queue))",
        "self.position.copy_((self.position + 1) % len(self.queue))",
        ("methods/test_moco_v2.py",),
    ),
    Mutant(
        "the seed of a method's weights is ignored",
        "methods/base.py",
        'f"{self.seed} {owner}"',
        'f"{owner}"',
        ("training/test_methods_in_training.py",),
    ),
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_is_found(mutant: Mutant, plant: Plant) -> None:
    check(plant, mutant)


def test_the_same_tests_pass_on_an_unchanged_copy(plant: Plant) -> None:
    check_unchanged(plant, MUTANTS)
