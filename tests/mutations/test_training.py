"""Errors planted in `care_bench.training` are found by its tests."""

from __future__ import annotations

import pytest

from tests.mutations.conftest import Mutant, Plant, check, check_unchanged

pytestmark = pytest.mark.mutation

RUN = ("wiring/test_training_run.py",)
DRAWS = ("wiring/test_draws.py",)
SETTINGS = ("wiring/test_settings.py", "wiring/test_settings_of_runs.py")
MUTANTS = (
    Mutant("the gradient ratio is upside down", "training/gradients.py", "added / others", "others / added", RUN),
    Mutant(
        "the gradient ratio forgets the weights",
        "training/gradients.py",
        "method.weights[name] * terms[name].float()",
        "terms[name].float()",
        RUN,
    ),
    Mutant(
        "ranks do not average the gradients of the ratio",
        "training/gradients.py",
        "average(gradient.float())",
        "gradient.float()",
        ("training/test_gradients.py",),
    ),
    Mutant(
        "steps of warm-up are ignored",
        "training/session.py",
        "training.warmup_steps or training.warmup_epochs * batches.per_epoch",
        "training.warmup_epochs * batches.per_epoch",
        ("training/test_pretrain.py",),
    ),
    Mutant(
        "BatchNorm is never split",
        "training/session.py",
        "        group_rows(encoder, config, ranks)\n",
        "",
        SETTINGS,
    ),
    Mutant(
        "the memory format is ignored",
        "training/session.py",
        'training.memory_format == "channels_last"',
        "not training",
        ("wiring/test_memory_format.py",),
    ),
    Mutant(
        "synchronised BatchNorm forgets the gradient through the mean",
        "models/batchnorm.py",
        "-across, -along",
        "-across, torch.zeros_like(along)",
        ("models/test_synchronised.py",),
    ),
    Mutant(
        "synchronised BatchNorm forgets how the means of the processes differ",
        "models/batchnorm.py",
        "variances + (means - mean).square()",
        "variances",
        ("models/test_synchronised.py",),
    ),
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
    Mutant(
        "the loss is the sum of unweighted terms",
        "training/session.py",
        "weights[name] * term for name",
        "term for name",
        RUN,
    ),
    Mutant(
        "the same draws at every step",
        "training/pretrain.py",
        'generator(*identity, "augmentation", session.step)',
        'generator(*identity, "augmentation", 0)',
        DRAWS,
    ),
    Mutant(
        "both views have the same draws",
        "training/pretrain.py",
        "draw(augmentation, len(rows), draws, draws_of_step)",
        'draw(augmentation, len(rows), draws, generator(*identity, "augmentation", session.step))',
        DRAWS,
    ),
    Mutant(
        "augmentations ignore the seed",
        "training/pretrain.py",
        "identity = (config.dataset, config.seed)",
        "identity = (config.dataset, 0)",
        DRAWS,
    ),
    Mutant(
        "augmentations ignore the data set",
        "training/pretrain.py",
        "identity = (config.dataset, config.seed)",
        "identity = ('', config.seed)",
        DRAWS,
    ),
    Mutant(
        "the order ignores the seed",
        "training/batches.py",
        "self.identity = (dataset, seed)",
        "self.identity = (dataset, 0)",
        DRAWS,
    ),
    Mutant(
        "every epoch has the same order",
        "training/batches.py",
        "epoch_order(len(self.inputs), *self.identity, epoch)",
        "epoch_order(len(self.inputs), *self.identity, 0)",
        DRAWS,
    ),
    Mutant(
        "samples are not shuffled",
        "runs/randomness.py",
        'torch.randperm(n, generator=generator(dataset, seed, "order", epoch))',
        "torch.arange(n)",
        DRAWS,
    ),
    Mutant(
        "parameters belong to other samples",
        "training/pretrain.py",
        "augmentation.apply(inputs, parameters[places])",
        "augmentation.apply(inputs, parameters[places.flip(0)])",
        DRAWS,
    ),
    Mutant(
        "a batch begins one sample late",
        "training/batches.py",
        "[position * self.batch_size : (position + 1) * self.batch_size]",
        "[position * self.batch_size + 1 : (position + 1) * self.batch_size + 1]",
        DRAWS,
    ),
    Mutant(
        "initial weights ignore the seed",
        "runs/build.py",
        'derive_seed(config.dataset, config.seed, "initial weights")',
        'derive_seed(config.dataset, 0, "initial weights")',
        SETTINGS,
    ),
    Mutant(
        "a key of the augmentation is lost",
        "config/run.py",
        "for field in fields(ImageDistribution)}",
        'for field in fields(ImageDistribution) if field.name != "crop_scale"}',
        SETTINGS,
    ),
    Mutant(
        "another key of the augmentation is lost",
        "config/run.py",
        "for field in fields(ImageDistribution)}",
        'for field in fields(ImageDistribution) if field.name != "blur_sigma"}',
        SETTINGS,
    ),
    Mutant(
        "the momentum of SGD is lost",
        "training/optimiser.py",
        "return SGD(trained, lr=rate, momentum=config.momentum, weight_decay",
        "return SGD(trained, lr=rate, weight_decay",
        SETTINGS,
    ),
    Mutant(
        "the weight decay of Adam is lost",
        "training/optimiser.py",
        "return Adam(trained, lr=rate, weight_decay=decay, fused=True)",
        "return Adam(trained, lr=rate, fused=True)",
        SETTINGS,
    ),
    Mutant(
        "LARS decays biases",
        "training/optimiser.py",
        '{"params": others, "weight_decay": 0.0}',
        '{"params": others, "weight_decay": decay}',
        ("training/test_optimiser.py",),
    ),
    Mutant(
        "the cosine begins before the warm-up ends",
        "training/optimiser.py",
        "(step - warmup) / max(1, total - warmup)",
        "step / total",
        RUN,
    ),
    Mutant(
        "a resumed run forgets the optimizer's state",
        "training/session.py",
        '        load_optimizer(self.optimizer, saved.tensors["optimizer"])\n',
        "",
        ("training/test_resume.py",),
    ),
    Mutant(
        "a run is made by the process that ends it",
        "training/session.py",
        "self.made_by = made_by(progress.made_by, self.made_by)",
        "self.made_by = made_by({}, self.made_by)",
        ("training/test_made_by.py",),
    ),
    Mutant(
        "a snapshot is kept a step late",
        "training/pretrain.py",
        "            train_step(session)\n            session.keep_snapshot()\n",
        "            session.keep_snapshot()\n            train_step(session)\n",
        ("training/test_snapshots.py",),
    ),
    Mutant(
        "ranks get overlapping shards",
        "training/distributed.py",
        "return rows.chunk(self.world_size)[self.rank]",
        "return rows.chunk(self.world_size)[0]",
        ("training/test_distributed.py",),
    ),
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_is_found(mutant: Mutant, plant: Plant) -> None:
    check(plant, mutant)


def test_the_same_tests_pass_on_an_unchanged_copy(plant: Plant) -> None:
    check_unchanged(plant, MUTANTS)
