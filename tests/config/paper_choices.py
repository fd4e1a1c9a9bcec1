"""Expected settings of the paper profile that are our choice: unknown ones, and ones that differ from the paper."""

from __future__ import annotations

from tests.config.paper_values import (
    ADAM,
    AUGMENTATION,
    BYOL_ALONE,
    EQUIMOD,
    EQUIMOD_TERM,
    RELEASED_SPLITS,
    VARIANTS,
    Values,
)
from tests.config.paper_values import CIFAR as CARES_CIFAR
from tests.config.paper_values import IMAGENET100_RELEASED as RELEASED_RECIPE

FREE = {"training.deterministic", "training.threads", "training.checkpoint_every"}
"""Keys that change the measured numbers by rounding only."""
THROUGH = [1, 10, 25, 50, 100, 150, 200, 250, 300, 350, 400]
RUN: Values = {
    "training.steps": None,
    "training.samples": None,
    "training.warmup_steps": 0,
    "training.precision": "32-true",
    "training.memory_format": "contiguous",
    "training.tf32": False,
    "training.batchnorm_rows": None,
    "training.snapshot_epochs": [],
}
ON_ONE_GPU: Values = {**RUN, "training.devices": 1, "training.batchnorm": "per-device"}
SMALL: Values = {**ON_ONE_GPU, "augmentation.test_view": "resize"}
STL10: Values = {key: value for key, value in SMALL.items() if key != "training.warmup_steps"}
CIFAR: Values = {**SMALL, "training.warmup_epochs": 0}
EQUIMOD_RECIPE: Values = {**SMALL, "augmentation.blur_sigma": [0.1, 2.0], "augmentation.rotation_degrees": 0.0}
BOTH_VIEWS_OF_BYOL: Values = {
    **EQUIMOD_RECIPE,
    "encoder.backbone.name": "resnet50",
    "augmentation.jitter": [0.4, 0.4, 0.4, 0.1],
    "augmentation.blur_probability": 0.0,
}
MEASURED_THROUGH: Values = {"training.snapshot_epochs": THROUGH}
BARLOW: Values = {"encoder.projector.hidden": [2048, 2048], "encoder.projector.output": 2048}
SIMCLR: Values = {"method.invariance_weight": 1.0, "method.negatives_per": None}
ON_SIMCLR: Values = {"method.base.invariance_weight": 1.0, "method.base.negatives_per": None}
MOCO: Values = {
    "method.queue": 4096,
    "method.momentum": 0.99,
    "method.symmetric": False,
    "method.split_batchnorm": 8,
}
ON_MOCO: Values = {key.replace("method.", "method.base."): value for key, value in MOCO.items()}
MOCO_DEFAULTS: Values = {"method.symmetric": False, "method.split_batchnorm": 1}
ON_MOCO_DEFAULTS: Values = {key.replace("method.", "method.base."): value for key, value in MOCO_DEFAULTS.items()}
REPLICAS: Values = {"training.batchnorm_rows": 128}
TERM: Values = {"method.representation": "projection", "method.loss": "gram"}
WEIGHTS = (0.001, 0.003, 0.03, 0.1, 0.3, 1, 3, 10)


def table1(small: Values, weight: float, released: Values) -> dict[str, Values]:
    """The variants that CIFAR10, CIFAR100 and STL10 share.

    Args:
        small: what all have.
        weight: that of CARE's script for SimCLR.
        released: what else the released code's rows have.
    """
    of_script = {"method.weight": weight}
    return {
        "simclr": {**small, **SIMCLR},
        "moco_v2": {**small, **MOCO},
        "barlow_twins": {**small, **BARLOW},
        "equimod-simclr": {**EQUIMOD_RECIPE, **ON_SIMCLR},
        "care": {**small, **ON_SIMCLR},
        "care-released-code": {**small, **ON_SIMCLR, **released},
        "care-moco_v2": {**small, **ON_MOCO},
        "care-moco_v2-released-code": {**small, **ON_MOCO, **of_script},
        "care-barlow_twins": {**small, **BARLOW},
        "care-barlow_twins-released-code": {**small, **BARLOW, **of_script, **released},
    }


EQUIMOD_ELSEWHERE: Values = {**EQUIMOD, **EQUIMOD_TERM, **ON_SIMCLR, "method.base.temperature": 0.5}
"""EquiMod's release has a recipe for CIFAR10 alone; on CIFAR100 and STL10 it is our choice."""
CARE: Values = {**CIFAR, **ON_SIMCLR}
FLOWERS: Values = {
    **ON_ONE_GPU,
    **AUGMENTATION,
    **ADAM,
    "encoder.backbone.name": "resnet50",
    "encoder.backbone.stem": "imagenet",
    "encoder.projector.hidden": [512],
    "encoder.projector.output": 128,
    "encoder.projector.batchnorm": True,
    "augmentation.size": 224,
    "augmentation.crop_scale": [0.2, 1.0],
    "augmentation.blur_kernel": 23,
    "augmentation.test_view": "resize",
    "training.epochs": 400,
    "training.batch_size": 128,
    "training.schedule": "cosine",
    "training.warmup_epochs": 10,
}
FLOWERS_CARE: Values = {**FLOWERS, **ON_SIMCLR, "method.base.temperature": 0.5, "method.splits": 8}
CLOUDS: Values = {
    **ON_ONE_GPU,
    **ADAM,
    "encoder.backbone.width": 256,
    "encoder.projector.hidden": [256],
    "encoder.projector.batchnorm": True,
    "training.epochs": 10,
    "training.batch_size": 256,
    "training.schedule": "cosine",
    "training.warmup_epochs": 1,
}
IMAGENET100: Values = {**RUN, "training.warmup_epochs": 0, "augmentation.blur_kernel": 23}
IMAGENET100_RELEASED: Values = {**RUN, "training.warmup_epochs": 0, "method.splits": RELEASED_SPLITS}
SYNCHRONISED: Values = {"training.batchnorm": "synchronised"}


def clouds(invariance: float, weight: float) -> Values:
    """CARE on protein fragments."""
    base = {**ON_SIMCLR, "method.base.temperature": 0.5, "method.base.invariance_weight": invariance}
    return {**CLOUDS, **base, "method.splits": 4, "method.weight": weight}


CHOICES: dict[str, dict[str, Values]] = {
    "cifar10": {
        **table1(CIFAR, 0.03, REPLICAS),
        "simclr": {**CIFAR, **SIMCLR, **MEASURED_THROUGH},
        "care": {**CARE, **MEASURED_THROUGH},
        "care-released-code": {**CARE, **MEASURED_THROUGH, **REPLICAS},
        "byol": BOTH_VIEWS_OF_BYOL,
        "equimod-byol": BOTH_VIEWS_OF_BYOL,
        "simclr-equimod-recipe": {**EQUIMOD, **EQUIMOD_RECIPE, **SIMCLR},
        "simclr-batchnorm-rows": {**CIFAR, **SIMCLR, **REPLICAS},
        "care-equimod-recipe": {**EQUIMOD, **EQUIMOD_RECIPE, **ON_SIMCLR, "method.splits": 32},
        "care-equimod-recipe-released-code": {**EQUIMOD, **EQUIMOD_RECIPE, **ON_SIMCLR, "method.splits": 32},
        "equimod-simclr-care-recipe": {**CARES_CIFAR, **CARE, **EQUIMOD_TERM, "method.base.temperature": 0.5},
        "care-byol": {**BOTH_VIEWS_OF_BYOL, "method.splits": 32},
        "care-byol-released-code": {**BOTH_VIEWS_OF_BYOL, "method.splits": 32, "method.weight": 0.03},
        "care-features": {**CARE, "method.representation": "features"},
        "care-features-released-code": {**CARE, **REPLICAS, "method.representation": "features"},
        "care-wahba": {**CARE, "method.loss": "wahba"},
        "augself": {
            **CARE,
            "method.base.temperature": 0.5,
            "method.crop_weight": 1.0,
            "method.colour_weight": 1.0,
            "method.predictor_hidden": [512, 512],
        },
        **{f"care-weight-{weight}": {**CARE, "method.weight": weight} for weight in WEIGHTS},
        "invariance": {**CIFAR, **MEASURED_THROUGH},
        "uniformity": {**CIFAR, **MEASURED_THROUGH},
        "equivariance": {**CIFAR, **TERM, **MEASURED_THROUGH},
        "uniformity_equivariance": {**CIFAR, **TERM, **MEASURED_THROUGH},
        "uniformity_equivariance-released-code": {
            **CIFAR,
            **TERM,
            **MEASURED_THROUGH,
            **REPLICAS,
            "method.weight": 0.03,
        },
        "care-one-draw": {**CARE, **MEASURED_THROUGH},
        "care-draw-per-chunk-released-code": {**CARE, **MEASURED_THROUGH, **REPLICAS, "method.sharing": "chunk"},
        "simclr-resnet18": {**CIFAR, **SIMCLR, **MEASURED_THROUGH},
        "care-resnet18": {**CARE, **MEASURED_THROUGH},
        "care-resnet18-released-code": {**CARE, **MEASURED_THROUGH, **REPLICAS},
        "simclr-circle": {**CIFAR, **SIMCLR},
        "care-circle": CARE,
        "care-circle-released-code": {**CARE, **REPLICAS},
    },
    "cifar100": {
        **table1(CIFAR, 0.001, REPLICAS),
        "byol": {**BYOL_ALONE, **BOTH_VIEWS_OF_BYOL},
        "equimod-simclr": {**EQUIMOD_ELSEWHERE, **EQUIMOD_RECIPE},
    },
    "stl10": {**table1(STL10, 0.01, REPLICAS), "equimod-simclr": {**EQUIMOD_ELSEWHERE, **EQUIMOD_RECIPE}},
    "imagenet100": {
        "simclr": {**IMAGENET100, **SIMCLR},
        "simclr-synchronised": {**IMAGENET100, **SIMCLR, **SYNCHRONISED},
        "simclr-released-recipe": {
            **RELEASED_RECIPE,
            **RUN,
            "training.warmup_epochs": 0,
            **SIMCLR,
            "method.negatives_per": 64,
        },
        "moco_v2": {**IMAGENET100, **MOCO_DEFAULTS},
        "moco_v2-synchronised": {**IMAGENET100, **MOCO_DEFAULTS, **SYNCHRONISED},
        "care": {**IMAGENET100, **ON_SIMCLR},
        "care-released-code": {**IMAGENET100_RELEASED, **ON_SIMCLR, "method.base.negatives_per": 64},
        "care-moco_v2": {**IMAGENET100, **ON_MOCO_DEFAULTS},
        "care-moco_v2-released-code": {**IMAGENET100_RELEASED, **ON_MOCO_DEFAULTS},
    },
    "flowers102": {
        "simclr": {**FLOWERS, **SIMCLR, "method.temperature": 0.5},
        "care": {**FLOWERS_CARE, "method.weight": 0.01},
        "care-released-code": {**FLOWERS_CARE, "method.weight": 0.03},
        "equimod-simclr": {
            **FLOWERS,
            **ON_SIMCLR,
            "method.base.temperature": 0.5,
            "method.temperature": 0.2,
            "method.weight": 1.0,
            "method.projector_hidden": [2048, 2048],
            "method.projector_output": 128,
        },
    },
    "pdb": {
        "simclr": {**CLOUDS, **SIMCLR, "method.temperature": 0.5},
        "simclr-weak-invariance": {**CLOUDS, **SIMCLR, "method.invariance_weight": 0.1, "method.temperature": 0.5},
        "invariance": CLOUDS,
        "uniformity": CLOUDS,
        "care-weight-1": clouds(0.1, 1.0),
        "care-weight-10": clouds(0.1, 10.0),
        "care-weight-100": clouds(0.1, 100.0),
        "care-full-invariance": clouds(1.0, 10.0),
        "care-released-code": clouds(0.1, 1.0),
    },
}
"""Data set -> variant -> settings that are added to the known ones or replace them."""

BYOL = {"byol", "equimod-byol", "care-byol", "care-byol-released-code"}
EQUIMODS_RECIPE = {"simclr-equimod-recipe", "care-equimod-recipe", "care-equimod-recipe-released-code"}
CARES_RECIPE = {"equimod-simclr-care-recipe"}
OTHER_RELEASED = {f"care-{base}-released-code" for base in ("barlow_twins", "byol", "moco_v2")}
OF_EQUIMODS_RELEASE = BYOL | {"equimod-simclr"} | CARES_RECIPE
ONE_BATCH = {
    dataset: {
        name
        for name, choices in CHOICES[dataset].items()
        if choices["training.batchnorm_rows"] is None and (dataset != "cifar10" or name not in OF_EQUIMODS_RELEASE)
    }
    for dataset in ("cifar10", "cifar100", "stl10")
}
RELEASED_IMAGENET = {"care-released-code", "care-moco_v2-released-code"}


RECIPE_KEYS = (
    *("training.epochs", "training.batch_size", "training.optimizer.name", "training.optimizer.learning_rate"),
    "encoder.projector.hidden",
)
BYOLS_RECIPE = {"byol", "equimod-simclr"}

DIFFERENCES: dict[str, dict[str, set[str]]] = {
    "cifar10": {
        **dict.fromkeys(RECIPE_KEYS, EQUIMODS_RECIPE | {"equimod-simclr"}),
        "encoder.projector.hidden": EQUIMODS_RECIPE | CARES_RECIPE,
        "method.splits": EQUIMODS_RECIPE - {"simclr-equimod-recipe"} | {"care-byol", "care-byol-released-code"},
        "method.weight": OTHER_RELEASED | {"uniformity_equivariance-released-code"},
        "method.sharing": {"care-draw-per-chunk-released-code"},
        "method.representation": {"care-features", "care-features-released-code"},
        "method.loss": {"care-wahba"},
        "encoder.backbone.name": {"byol", "equimod-byol"},
        "augmentation.crop_scale": EQUIMODS_RECIPE | CARES_RECIPE,
        "augmentation.jitter": BYOL,
        "augmentation.blur_probability": BYOL | EQUIMODS_RECIPE | CARES_RECIPE,
        "training.schedule": EQUIMODS_RECIPE | CARES_RECIPE,
        "training.warmup_epochs": CARES_RECIPE,
        "training.precision": BYOL | {"equimod-simclr"} | CARES_RECIPE,
        "training.devices": set(VARIANTS["cifar10"]),
        "training.batchnorm_rows": ONE_BATCH["cifar10"],
    },
    "cifar100": {
        **dict.fromkeys(RECIPE_KEYS, BYOLS_RECIPE),
        "encoder.projector.output": {"byol"},
        "augmentation.crop_scale": BYOLS_RECIPE,
        "augmentation.blur_probability": BYOLS_RECIPE,
        "training.schedule": BYOLS_RECIPE,
        "training.devices": set(VARIANTS["cifar100"]),
        "training.batchnorm_rows": ONE_BATCH["cifar100"],
    },
    "stl10": {
        **{key: {"equimod-simclr"} for key in RECIPE_KEYS},
        "augmentation.crop_scale": {"equimod-simclr"},
        "augmentation.blur_probability": {"equimod-simclr"},
        "training.optimizer.weight_decay": {"equimod-simclr"},
        "training.optimizer.momentum": {"equimod-simclr"},
        "training.warmup_epochs": {"equimod-simclr"},
        "training.warmup_steps": {"equimod-simclr"},
        "training.batchnorm_rows": ONE_BATCH["stl10"],
        "training.devices": set(VARIANTS["stl10"]),
    },
    "imagenet100": {
        "augmentation.blur_kernel": set(VARIANTS["imagenet100"]) - RELEASED_IMAGENET - {"simclr-released-recipe"},
        "training.batch_size": {"simclr-released-recipe"},
        "training.optimizer.learning_rate": {"simclr-released-recipe"},
        "method.splits": RELEASED_IMAGENET,
        "training.batchnorm": {"simclr-synchronised", "moco_v2-synchronised", "simclr-released-recipe"},
        "method.negatives_per": {"simclr", "simclr-synchronised"},
        "method.base.negatives_per": {"care"},
    },
    "flowers102": {"training.devices": set(VARIANTS["flowers102"])},
    "pdb": {"training.devices": set(VARIANTS["pdb"])},
}
"""Data set -> key -> variants whose setting differs from the known one; the profile gives the reasons."""
