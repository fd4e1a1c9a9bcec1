"""The settings of the paper and of the released code, written out by hand for the tests of the paper profile."""

from __future__ import annotations

from typing import Any

Values = dict[str, Any]

# What the paper prints, by experiment.
HEAD = {"encoder.projector.hidden": [512], "encoder.projector.output": 128, "encoder.projector.batchnorm": True}
RESNET50 = {"encoder.backbone.name": "resnet50", "encoder.backbone.stem": "small-image"}
RESNET18 = {"encoder.backbone.name": "resnet18"}
CIRCLE = {**RESNET18, "encoder.projector.output": 2}
BLUR = {"augmentation.blur_kernel": 3, "augmentation.blur_sigma": [0.1, 2.0]}
JITTER = {"augmentation.jitter": [0.4, 0.4, 0.4, 0.1], "augmentation.jitter_probability": 0.8}
AUGMENTATION = {
    **JITTER,
    "augmentation.flip_probability": 0.5,
    "augmentation.grayscale_probability": 0.2,
    "augmentation.blur_probability": 0.5,
    "augmentation.blur_sigma": [0.1, 2.0],
    "augmentation.rotation_degrees": 0.0,
}
SMALL = {
    **RESNET50,
    **HEAD,
    **AUGMENTATION,
    "augmentation.size": 32,
    **BLUR,
    "augmentation.crop_scale": [0.08, 1.0],
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
    "training.warmup_epochs": 0,
    "training.warmup_steps": 10,
    "augmentation.test_view": "resize",
}
IMAGENET100 = {
    **RESNET50,
    **AUGMENTATION,
    "encoder.backbone.stem": "imagenet",
    "encoder.projector.hidden": [2048],
    "encoder.projector.output": 128,
    "encoder.projector.batchnorm": False,
    "augmentation.size": 224,
    "augmentation.crop_scale": [0.2, 1.0],
    "augmentation.test_view": "centre-crop",
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
    "augmentation.blur_kernel": 5,
    "training.batch_size": 256,
    "training.optimizer.learning_rate": 0.4,
}
RELEASED_IMAGES, RELEASED_GPUS, RELEASED_SPLITS_PER_GPU = 128, 4, 4
RELEASED_SPLITS = 32
"""Splits on ImageNet100: the released code splits 128 images on 4 GPUs into 4 chunks each, which is 32 for 256."""
MOCO_IMAGENET100 = {"method.temperature": 0.2, "method.queue": 65536, "method.momentum": 0.99}
PROTEINS = {"encoder.backbone.name": "deepset", "encoder.projector.output": 16, "augmentation.kind": "rotation"}

# Settings from the releases of other methods; the paper does not print them.
EQUIMOD_RELEASE = {
    "encoder.backbone.stem": "small-image",
    "encoder.projector.batchnorm": True,
    **JITTER,
    **BLUR,
    "augmentation.size": 32,
    "augmentation.flip_probability": 0.5,
    "augmentation.grayscale_probability": 0.2,
    "augmentation.rotation_degrees": 0.0,
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
    "encoder.backbone.name": "resnet50",
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
    """Return the settings of CARE by Algorithm 1; ``base_x`` is the setting x of the base method."""
    settings = {"fidelity": "paper", "sharing": "chunk", "representation": "projection", "loss": "gram", **more}
    settings |= {"weight": weight, "splits": splits}
    return {f"method.{key.replace('base_', 'base.')}": value for key, value in settings.items()}


def released(weight: float, splits: int, **more: Any) -> Values:
    """Return the settings of CARE as in its released code: one draw per batch, and another scale of the loss."""
    return care(weight, splits, fidelity="released-code", sharing="batch", **more)


def without(values: Values, *keys: str) -> Values:
    """Leave out settings."""
    return {key: value for key, value in values.items() if key not in keys}


def no_weight(values: Values) -> Values:
    """Leave out the weight: CARE's release has a script for SimCLR alone."""
    return without(values, "method.weight")


def barlow(values: Values) -> Values:
    """Leave out the projection head, which is not printed for Barlow Twins."""
    return without(values, *NO_HEAD)


def table1(small: Values, splits: int, weight: float, released_weight: float) -> dict[str, Values]:
    """The variants that CIFAR10, CIFAR100 and STL10 share."""
    variants: dict[str, Values] = {
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
        variants[name] = {**values, **care(weight, splits, **base)}
        term = released(released_weight, splits, **base)
        variants[f"{name}-released-code"] = {**values, **(term if name == "care" else no_weight(term))}
    return variants


BYOL_ALONE = {**BYOL, "method.predictor_hidden": 4096, "method.momentum": 0.996}
BYOL_BASE = {"base_predictor_hidden": 4096, "base_momentum": 0.996}
BYOL_INSIDE = {"method.base.predictor_hidden": 4096, "method.base.momentum": 0.996}
SIMCLR_BASE = {"base_temperature": 0.5}
CARE = care(0.01, 16, **SIMCLR_BASE)
CARE_RELEASED = released(0.03, 16, **SIMCLR_BASE)
TERM = {"method.splits": 16, "method.fidelity": "paper", "method.sharing": "chunk"}
TERM_RELEASED = {"method.splits": 16, "method.fidelity": "released-code", "method.sharing": "batch"}
DEFINITION = {"method.representation": "projection", "method.loss": "gram"}
TERM_OF_CARE = {**DEFINITION, "method.fidelity": "paper", "method.sharing": "chunk"}
TERM_OF_RELEASE = {**DEFINITION, "method.fidelity": "released-code", "method.sharing": "batch"}

RELEASED_ON_STL10 = {
    name: {**values, "training.warmup_epochs": 10, "training.warmup_steps": 0}
    for name, values in table1(STL10, 8, 0.01, 0.01).items()
    if name.endswith("released-code")
}
"""The text prints ten warm-up steps, and the released code takes ten epochs."""

VARIANTS: dict[str, dict[str, Values]] = {
    "cifar10": {
        **table1(CIFAR, 16, 0.01, 0.03),
        "byol": BYOL_ALONE,
        "equimod-byol": {**BYOL, **EQUIMOD_TERM, **BYOL_INSIDE},
        "simclr-equimod-recipe": {**CIFAR, "method.temperature": 0.5},
        "simclr-batchnorm-rows": {**CIFAR, "method.temperature": 0.5},
        "care-equimod-recipe": {**CIFAR, **CARE},
        "care-equimod-recipe-released-code": {**CIFAR, **CARE_RELEASED},
        "equimod-simclr-care-recipe": {},
        "care-byol": {**BYOL, **RESNET50, **care(0.01, 16, **BYOL_BASE)},
        "care-byol-released-code": {**BYOL, **RESNET50, **no_weight(released(0.03, 16, **BYOL_BASE))},
        "care-features": {**CIFAR, **CARE},
        "care-features-released-code": {**CIFAR, **CARE_RELEASED},
        "care-wahba": {**CIFAR, **CARE},
        "augself": CIFAR,
        **{f"care-weight-{weight}": {**CIFAR, **CARE} for weight in (0.001, 0.003, 0.03, 0.1, 0.3, 1, 3, 10)},
        "invariance": CIFAR,
        "uniformity": CIFAR,
        "equivariance": {**CIFAR, **TERM},
        "uniformity_equivariance": {**CIFAR, **TERM, "method.weight": 0.01},
        "uniformity_equivariance-released-code": {**CIFAR, **TERM_RELEASED},
        "care-one-draw": {**CIFAR, **CARE, "method.sharing": "batch"},
        "care-draw-per-chunk-released-code": {**CIFAR, **CARE_RELEASED},
        "simclr-resnet18": {**CIFAR, **RESNET18, "method.temperature": 0.5},
        "care-resnet18": {**CIFAR, **RESNET18, **CARE},
        "care-resnet18-released-code": {**CIFAR, **RESNET18, **CARE_RELEASED},
        "simclr-circle": {**CIFAR, **CIRCLE, "method.temperature": 0.5},
        "care-circle": {**CIFAR, **CIRCLE, **CARE},
        "care-circle-released-code": {**CIFAR, **CIRCLE, **CARE_RELEASED},
    },
    "cifar100": {**table1(CIFAR, 4, 0.001, 0.001), "byol": {}, "equimod-simclr": {}},
    "stl10": {**table1(STL10, 8, 0.01, 0.01), **RELEASED_ON_STL10, "equimod-simclr": {}},
    "imagenet100": {
        "simclr": {**IMAGENET100, **PER_DEVICE, "method.temperature": 0.2},
        "simclr-synchronised": {**IMAGENET100, **PER_DEVICE, "method.temperature": 0.2},
        "simclr-released-recipe": {"method.temperature": 0.2},
        "moco_v2": {**IMAGENET100, **PER_DEVICE, **MOCO_IMAGENET100},
        "moco_v2-synchronised": {**IMAGENET100, **PER_DEVICE, **MOCO_IMAGENET100},
        "care": {**IMAGENET100, **SYNCHRONISED, **care(0.005, 4, base_temperature=0.2)},
        "care-released-code": {
            **IMAGENET100_RELEASED,
            **without(released(0.005, 0, base_temperature=0.2), "method.splits"),
        },
        "care-moco_v2": {
            **IMAGENET100,
            **SYNCHRONISED,
            **care(0.01, 8, base_temperature=0.2, base_queue=65536, base_momentum=0.99),
        },
        "care-moco_v2-released-code": {
            **IMAGENET100_RELEASED,
            **without(released(0.005, 0, base_temperature=0.2, base_queue=65536, base_momentum=0.99), "method.splits"),
        },
    },
    "flowers102": {
        "simclr": {},
        "care": TERM_OF_CARE,
        "care-released-code": TERM_OF_RELEASE,
        "equimod-simclr": {},
    },
    "pdb": {
        "simclr": PROTEINS,
        "simclr-weak-invariance": PROTEINS,
        "invariance": PROTEINS,
        "uniformity": PROTEINS,
        "care-weight-1": {**PROTEINS, **TERM_OF_CARE},
        "care-weight-10": {**PROTEINS, **TERM_OF_CARE},
        "care-weight-100": {**PROTEINS, **TERM_OF_CARE},
        "care-full-invariance": {**PROTEINS, **TERM_OF_CARE},
        "care-released-code": {**PROTEINS, **TERM_OF_RELEASE},
    },
}
"""Data set -> variant -> its known settings: printed in the paper, or in the released code that the variant follows."""
