"""The settings of the paper and of the released code, written out by hand for the tests of the paper profile."""

from __future__ import annotations

from typing import Any

Values = dict[str, Any]

# What the paper prints, by experiment.
HEAD = {"encoder.projector.hidden": [512], "encoder.projector.output": 128}
RESNET50 = {"encoder.backbone.name": "resnet50", "encoder.backbone.stem": "small-image"}
RESNET18 = {"encoder.backbone.name": "resnet18"}
CIRCLE = {**RESNET18, "encoder.projector.output": 2}
JITTER = {"augmentation.jitter": [0.4, 0.4, 0.4, 0.1], "augmentation.jitter_probability": 0.8}
AUGMENTATION = {
    **JITTER,
    "augmentation.flip_probability": 0.5,
    "augmentation.grayscale_probability": 0.2,
    "augmentation.blur_probability": 0.5,
    "augmentation.blur_sigma": [0.1, 2.0],
}
SMALL = {
    **RESNET50,
    **HEAD,
    **AUGMENTATION,
    "augmentation.size": 32,
    "augmentation.crop_scale": [0.08, 1.0],
    "augmentation.blur_kernel": 3,
    "training.epochs": 400,
    "training.batch_size": 256,
}
ADAM = {
    "training.optimizer.name": "adam",
    "training.optimizer.learning_rate": 1e-3,
    "training.optimizer.weight_decay": 1e-6,
}
CIFAR = {**SMALL, **ADAM, "training.schedule": "constant"}
STL10 = {
    **SMALL,
    "training.optimizer.name": "sgd",
    "training.optimizer.learning_rate": 0.06,
    "training.optimizer.momentum": 0.0,
    "training.optimizer.weight_decay": 5e-4,
    "training.schedule": "cosine",
    "training.warmup_epochs": 10,
}
IMAGENET100 = {
    **RESNET50,
    **AUGMENTATION,
    "encoder.backbone.stem": "imagenet",
    "encoder.projector.hidden": [2048],
    "encoder.projector.output": 128,
    "augmentation.size": 224,
    "augmentation.crop_scale": [0.2, 1.0],
    "training.epochs": 200,
    "training.batch_size": 512,
    "training.optimizer.name": "sgd",
    "training.optimizer.learning_rate": 0.8,
    "training.optimizer.momentum": 0.9,
    "training.optimizer.weight_decay": 1e-4,
    "training.schedule": "cosine",
    "training.devices": 4,
}
SYNCHRONISED = {"training.batchnorm": "synchronised"}
PER_DEVICE = {"training.batchnorm": "per-device"}
IMAGENET100_RELEASED = {
    **IMAGENET100,
    **SYNCHRONISED,
    "training.batch_size": 256,
    "training.optimizer.learning_rate": 0.4,
}
MOCO_IMAGENET100 = {"method.temperature": 0.2, "method.queue": 65536, "method.momentum": 0.99}
PROTEINS = {"encoder.backbone.name": "deepset", "encoder.projector.output": 16, "augmentation.kind": "rotation"}

# What other methods' own releases have; the paper prints nothing about them.
EQUIMOD_RELEASE = {
    **RESNET50,
    **JITTER,
    "augmentation.size": 32,
    "augmentation.flip_probability": 0.5,
    "augmentation.grayscale_probability": 0.2,
    "augmentation.crop_scale": [0.2, 1.0],
    "training.epochs": 800,
    "training.batch_size": 512,
    "training.optimizer.name": "lars",
    "training.optimizer.momentum": 0.9,
    "training.optimizer.trust_coefficient": 0.001,
    "training.optimizer.weight_decay": 1e-6,
    "training.schedule": "cosine",
    "training.warmup_epochs": 10,
}
EQUIMOD = {
    **EQUIMOD_RELEASE,
    "augmentation.blur_probability": 0.0,
    "encoder.projector.hidden": [2048, 2048],
    "encoder.projector.output": 128,
    "training.optimizer.learning_rate": 4.0,
}
BYOL = {
    **{key: value for key, value in EQUIMOD_RELEASE.items() if key != "augmentation.jitter"},
    "encoder.projector.hidden": [4096],
    "encoder.projector.output": 256,
    "training.optimizer.learning_rate": 2.0,
}
EQUIMOD_TERM = {
    "method.weight": 1.0,
    "method.temperature": 0.2,
    "method.projector_hidden": [2048, 2048],
    "method.projector_output": 128,
}
NO_HEAD = ("encoder.projector.hidden", "encoder.projector.output")


def care(weight: float, splits: int, **more: Any) -> Values:
    """CARE by Algorithm 1; ``base_x`` is the base method's setting x."""
    settings = {"fidelity": "paper", "sharing": "chunk", "on": "projection", "loss": "gram", **more}
    settings |= {"weight": weight, "splits": splits}
    return {f"method.{key.replace('base_', 'base.')}": value for key, value in settings.items()}


def released(weight: float, splits: int, **more: Any) -> Values:
    """CARE as its code has it: one draw a batch, and a loss on another scale."""
    return care(weight, splits, fidelity="released-code", sharing="batch", **more)


def barlow(values: Values) -> Values:
    """Nothing is printed about Barlow Twins' own projection head."""
    return {key: value for key, value in values.items() if key not in NO_HEAD}


def table1(small: Values, splits: int, weight: float, released_weight: float) -> dict[str, Values]:
    """The rows that CIFAR10, CIFAR100 and STL10 share."""
    rows: dict[str, Values] = {
        "simclr": {**small, "method.temperature": 0.5},
        "moco_v2": {**small, "method.temperature": 0.1},
        "barlow_twins": {**barlow(small), "method.off_diagonal_weight": 0.0051},
        "equimod-simclr": {**EQUIMOD, **EQUIMOD_TERM, "method.base.temperature": 0.5},
    }
    bases: dict[str, Values] = {
        "care": {"base_temperature": 0.5},
        "care-moco_v2": {"base_temperature": 0.1},
        "care-barlow_twins": {"base_off_diagonal_weight": 0.0051},
    }
    for name, base in bases.items():
        values = barlow(small) if "barlow" in name else small
        rows[name] = {**values, **care(weight, splits, **base)}
        rows[f"{name}-released-code"] = {**values, **released(released_weight, splits, **base)}
    return rows


BYOL_ALONE = {**BYOL, "method.predictor_hidden": 4096, "method.momentum": 0.996}
BYOL_BASE = {"base_predictor_hidden": 4096, "base_momentum": 0.996}
BYOL_INSIDE = {"method.base.predictor_hidden": 4096, "method.base.momentum": 0.996}
SIMCLR_BASE = {"base_temperature": 0.5}
CARE = care(0.01, 16, **SIMCLR_BASE)
CARE_RELEASED = released(0.03, 16, **SIMCLR_BASE)
SWEEP = (0.001, 0.003, 0.03, 0.1, 0.3, 1)
TERM = {"method.splits": 16, "method.fidelity": "paper", "method.sharing": "chunk"}

ROWS: dict[str, dict[str, Values]] = {
    "cifar10": {
        **table1(CIFAR, 16, 0.01, 0.03),
        "byol": BYOL_ALONE,
        "equimod-byol": {**BYOL, **EQUIMOD_TERM, **BYOL_INSIDE},
        "care-byol": {**BYOL, **care(0.01, 16, **BYOL_BASE)},
        "care-features": {**CIFAR, **CARE, "method.on": "features"},
        "care-wahba": {**CIFAR, **CARE, "method.loss": "wahba"},
        "augself": CIFAR,
        **{f"care-weight-{weight}": {**CIFAR, **CARE, "method.weight": weight} for weight in SWEEP},
        "invariance": CIFAR,
        "uniformity": CIFAR,
        "equivariance": {**CIFAR, **TERM},
        "uniformity_equivariance": {**CIFAR, **TERM, "method.weight": 0.01},
        "care-one-draw": {**CIFAR, **CARE, "method.sharing": "batch"},
        "simclr-resnet18": {**CIFAR, **RESNET18, "method.temperature": 0.5},
        "care-resnet18": {**CIFAR, **RESNET18, **CARE},
        "care-resnet18-released-code": {**CIFAR, **RESNET18, **CARE_RELEASED},
        "simclr-circle": {**CIFAR, **CIRCLE, "method.temperature": 0.5},
        "care-circle": {**CIFAR, **CIRCLE, **CARE},
        "care-circle-released-code": {**CIFAR, **CIRCLE, **CARE_RELEASED},
    },
    "cifar100": {**table1(CIFAR, 4, 0.001, 0.001), "byol": BYOL_ALONE},
    "stl10": table1(STL10, 8, 0.01, 0.01),
    "imagenet100": {
        "simclr": {**IMAGENET100, **PER_DEVICE, "method.temperature": 0.2},
        "moco_v2": {**IMAGENET100, **PER_DEVICE, **MOCO_IMAGENET100},
        "care": {**IMAGENET100, **SYNCHRONISED, **care(0.005, 4, base_temperature=0.2)},
        "care-released-code": {**IMAGENET100_RELEASED, **released(0.005, 4, base_temperature=0.2)},
        "care-moco_v2": {
            **IMAGENET100,
            **SYNCHRONISED,
            **care(0.01, 8, base_temperature=0.2, base_queue=65536, base_momentum=0.99),
        },
        "care-moco_v2-released-code": {
            **IMAGENET100_RELEASED,
            **released(0.005, 4, base_temperature=0.2, base_queue=65536, base_momentum=0.99),
        },
    },
    "flowers102": {
        "simclr": {},
        "care": {"method.fidelity": "paper", "method.sharing": "chunk"},
        "care-released-code": {"method.fidelity": "released-code", "method.sharing": "batch"},
    },
    "pdb": {
        "simclr": PROTEINS,
        "simclr-weak-invariance": PROTEINS,
        "invariance": PROTEINS,
        "uniformity": PROTEINS,
        "care-weight-1": {**PROTEINS, "method.fidelity": "paper", "method.sharing": "chunk"},
        "care-weight-10": {**PROTEINS, "method.fidelity": "paper", "method.sharing": "chunk"},
        "care-weight-100": {**PROTEINS, "method.fidelity": "paper", "method.sharing": "chunk"},
        "care-full-invariance": {**PROTEINS, "method.fidelity": "paper", "method.sharing": "chunk"},
        "care-released-code": {**PROTEINS, "method.fidelity": "released-code", "method.sharing": "batch"},
    },
}
"""Data set -> row -> what is known of its settings: printed, or in the released code that the row follows."""

BOTH: list[tuple[str, str, str | None, str, Any, Any]] = [
    ("cifar10", "care", "simclr", "method.fidelity", "paper", "released-code"),
    ("cifar10", "care", "simclr", "method.sharing", "chunk", "batch"),
    ("cifar10", "care", "simclr", "method.weight", 0.01, 0.03),
    ("cifar100", "care", "simclr", "method.weight", 0.001, 0.001),
    ("stl10", "care", "simclr", "method.weight", 0.01, 0.01),
    ("cifar10", "care", "moco_v2", "method.splits", 16, 16),
    ("cifar100", "care", "moco_v2", "method.splits", 4, 4),
    ("stl10", "care", "moco_v2", "method.splits", 8, 8),
    ("imagenet100", "care", "simclr", "method.weight", 0.005, 0.005),
    ("imagenet100", "care", "simclr", "method.splits", 4, 4),
    ("imagenet100", "care", "moco_v2", "method.weight", 0.01, 0.005),
    ("imagenet100", "care", "moco_v2", "method.splits", 8, 4),
    ("imagenet100", "care", "simclr", "training.optimizer.learning_rate", 0.8, 0.4),
    ("imagenet100", "care", "simclr", "training.batch_size", 512, 256),
    ("imagenet100", "simclr", None, "(linear probe: learning rate)", 30.0, 10.0),
    ("imagenet100", "care", "simclr", "training.batchnorm", None, "synchronised"),
    ("imagenet100", "simclr", None, "training.batchnorm", None, "per-device"),
    ("stl10", "simclr", None, "augmentation.size", None, 32),
    ("stl10", "simclr", None, "training.optimizer.momentum", None, 0),
    ("stl10", "simclr", None, "(images of pretraining)", None, "train and unlabelled"),
    ("cifar100", "simclr", None, "augmentation.crop_scale", None, [0.08, 1]),
    ("cifar100", "simclr", None, "augmentation.blur_kernel", None, 3),
    ("cifar100", "simclr", None, "augmentation.blur_probability", 0.5, 0.5),
    ("cifar100", "simclr", None, "augmentation.blur_sigma", None, [0.1, 2]),
    ("cifar10", "simclr", None, "(linear probe: epochs)", 100, 100),
    ("cifar10", "simclr", None, "(linear probe: batch)", 512, 512),
    ("cifar10", "simclr", None, "(linear probe: learning rate)", 1e-3, 1e-3),
    ("cifar10", "simclr", None, "(linear probe: weight decay)", 1e-6, 1e-6),
    ("imagenet100", "simclr", None, "(linear probe: epochs)", 60, 60),
    ("imagenet100", "simclr", None, "(linear probe: batch)", 128, 128),
    ("cifar10", "simclr", None, "evaluation.classifier_seeds", 3, None),
    ("cifar10", "simclr", None, "evaluation.augmentations", 20, None),
    ("pdb", "simclr", None, "training.devices", 4, None),
    ("pdb", "simclr", None, "training.epochs", None, None),
    ("pdb", "care", "simclr", "method.weight", None, None),
    ("stl10", "moco_v2", None, "method.queue", None, None),
    ("stl10", "moco_v2", None, "method.momentum", None, None),
    ("cifar10", "equimod", "simclr", "encoder.backbone.name", "resnet50", "resnet18"),
    ("cifar10", "barlow_twins", None, "encoder.projector.hidden", None, None),
]
"""Data set, method, base, key, what the paper prints, what the released code has."""
