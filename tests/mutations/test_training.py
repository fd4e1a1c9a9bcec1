"""Errors planted in `care_bench.training` are found by its tests."""

from __future__ import annotations

import pytest

from tests.mutations.conftest import Mutant, Plant, check, check_unchanged

pytestmark = pytest.mark.mutation

RUN = ("wiring/test_training_run.py",)
DRAWS = ("wiring/test_draws.py",)
MUTANTS = (
    Mutant("training in evaluation mode", "training/pretrain.py", "session.model.train()", "session.model.eval()", RUN),
    Mutant(
        "the learning rate is that of the next step",
        "training/pretrain.py",
        "learning_rate_factor(session.step, session",
        "learning_rate_factor(session.step + 1, session",
        RUN,
    ),
    Mutant(
        "the warm-up counts steps",
        "training/session.py",
        "training.warmup_epochs * batches.per_epoch",
        "training.warmup_epochs",
        RUN,
    ),
    Mutant(
        "momentum encoder and queue move before the step",
        "training/pretrain.py",
        "    session.optimizer.step()\n    session.optimizer.zero_grad()\n\n    session.step += 1\n"
        "    session.module.method.after_step(session.module.encoder, session.step, session.total)\n",
        "    session.step += 1\n"
        "    session.module.method.after_step(session.module.encoder, session.step, session.total)\n"
        "    session.optimizer.step()\n    session.optimizer.zero_grad()\n",
        RUN,
    ),
    Mutant("gradients add up over steps", "training/pretrain.py", "    session.optimizer.zero_grad()\n", "", RUN),
    Mutant(
        "the optimizer lacks the method's weights",
        "training/session.py",
        "build_optimizer(training.optimizer, module)",
        "build_optimizer(training.optimizer, module.encoder)",
        RUN,
    ),
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_is_found(mutant: Mutant, plant: Plant) -> None:
    check(plant, mutant)


def test_the_same_tests_pass_on_an_unchanged_copy(plant: Plant) -> None:
    check_unchanged(plant, MUTANTS)
