"""Errors planted in what loads and measures imported encoders."""

from __future__ import annotations

import pytest

from tests.mutations.conftest import Mutant, Plant, check, check_unchanged

pytestmark = pytest.mark.mutation

FOREIGN = ("imported/test_foreign_code.py",)
LAYOUTS = ("imported/test_layouts.py",)
REFUSED = ("imported/test_refused.py", "imported/test_refused_weights.py")
POOLING = ("imported/test_pooling.py",)
CHECKPOINTS = ("imported/test_checkpoints.py",)
MEASURE = ("imported/test_measure.py",)
USERS_CODE = ("imported/test_users_code.py",)
PROFILES = ("imported/test_profiles.py",)
MUTANTS = (
    Mutant(
        "a layer's records have the numbers of another",
        "evaluation/records.py",
        "layers = {row: embedder.embedded(row.layer) for row in chosen}",
        "layers = {row: embedder.embedded(chosen[0].layer) for row in chosen}",
        MEASURE,
    ),
    Mutant(
        "the statistics of the images are not used",
        "imported/encoder.py",
        "return (pixels - self.mean) / self.std",
        "return pixels",
        FOREIGN,
    ),
    Mutant(
        "a projection keeps its length",
        "imported/encoder.py",
        "functional.normalize(self._called(self.projector, features), dim=1)",
        "self._called(self.projector, features)",
        LAYOUTS,
    ),
    Mutant(
        "maps with their channels last are pooled as others",
        "imported/pooling.py",
        "found.mean(dim=(1, 2) if last else (2, 3))",
        "found.mean(dim=(2, 3))",
        POOLING,
    ),
    Mutant(
        "tokens before the class token have one",
        "imported/encoder.py",
        "if float((moved[name] - before[name]).abs().max()) > 2 *",
        "if float(moved[name].abs().max()) > 2 *",
        POOLING,
    ),
    Mutant(
        "a class token that is put last is taken for the first token",
        "imported/class_token.py",
        "return bool(differs[0] and not differs[1:].any())",
        "return True",
        POOLING,
    ),
    Mutant(
        "the plain view of every imported encoder is the whole image",
        "evaluation/imported_views.py",
        "chosen.on_views(loaded.size, shape.test_view)",
        'chosen.on_views(loaded.size, "resize")',
        ("imported/test_plain_view.py",),
    ),
    Mutant(
        "the blur of every encoder is in pixels of its own view",
        "config/run.py",
        "scale = size / self.size",
        "scale = 1.0",
        ("imported/test_sizes.py", "config/test_evaluation.py"),
    ),
    Mutant(
        "the blur alone is in pixels of the encoder's own view",
        "evaluation/embed.py",
        "at_strength(shared, part, name, strength, pixel)",
        "at_strength(shared, part, name, strength)",
        ("imported/test_sizes.py",),
    ),
    Mutant(
        "every projection head has ReLU",
        "imported/projector.py",
        "nn.GELU if has_prototypes else nn.ReLU",
        "nn.ReLU",
        ("imported/test_layouts.py",),
    ),
    Mutant(
        "the floor has the checkpoint, too",
        "measure.py",
        'update={"weights": None, "prefix": None,',
        'update={"prefix": None,',
        ("imported/test_floor.py",),
    ),
    Mutant(
        "the points of a cloud are taken for its channels",
        "imported/pooling.py",
        "found.mean(dim=1 if shape[1] == points else 2)",
        "found.mean(dim=1)",
        POOLING,
    ),
    Mutant(
        "the last token is taken for the class token",
        "imported/pooling.py",
        'return found[:, 0].clone(), "class token"',
        'return found[:, -1].clone(), "class token"',
        POOLING,
    ),
    Mutant(
        "a deeper network passes for the encoder",
        "imported/loading.py",
        "partial = bool(absent or found.inside)",
        "partial = bool(absent)",
        CHECKPOINTS,
    ),
    Mutant(
        "a head is applied to features that have passed it",
        "imported/projector.py",
        "if any(key in used for key in tensors if key.startswith(start)):",
        "if False:",
        CHECKPOINTS,
    ),
    Mutant(
        "the layers of a head that have no tensors are guessed",
        "imported/projector.py",
        "if place > before + (2 if layers else 1):",
        "if False:",
        CHECKPOINTS,
    ),
    Mutant(
        "the momentum encoder is preferred",
        "imported/matching.py",
        "(-found[place], _rank(place[0]), len(place[0]), place)",
        "(-found[place], -_rank(place[0]), len(place[0]), place)",
        LAYOUTS,
    ),
    Mutant(
        "tensors of another shape are taken for missing ones that nobody needs",
        "imported/loading.py",
        "absent = (*found.missing, *found.wrong)",
        "absent = found.missing",
        REFUSED,
    ),
    Mutant(
        "buffers may change in evaluation mode",
        "imported/checks.py",
        "if not torch.equal(tensor, before[name]):",
        "if tensor.shape != before[name].shape:",
        REFUSED,
    ),
    Mutant(
        "checkpoints may execute code",
        "imported/checkpoints.py",
        'return torch.load(file, map_location="cpu", weights_only=True)',
        'return torch.load(file, map_location="cpu", weights_only=False)',
        REFUSED,
    ),
    Mutant(
        "records that are current are measured again",
        "evaluation/imported.py",
        "if unless_current and is_current(path, task.inputs()):",
        "if unless_current and not path.exists():",
        PROFILES,
    ),
    Mutant(
        "the settings of a profile's encoder are not held against its records",
        "artifacts/evaluated.py",
        'if recorded["settings"] != settings.recorded():',
        'if not recorded["settings"]:',
        PROFILES,
    ),
    Mutant(
        "records of other files are collected",
        "artifacts/evaluated.py",
        'if absent(file) or sha256_of(file, "expected a file of the encoder") != expected:',
        "if absent(file):",
        PROFILES,
    ),
    Mutant(
        "what a file imports enters no hash",
        "imported/users_code.py",
        "{**files, path.name: path}.items()",
        "{path.name: path}.items()",
        (*USERS_CODE, *PROFILES),
    ),
    Mutant(
        "an encoder is made from the files of another",
        "imported/users_code.py",
        "sys.modules.pop(name, None)",
        "pass",
        USERS_CODE,
    ),
    Mutant(
        "the halves of a user's data overlap",
        "data/own.py",
        "for rows in (~second, second))",
        "for rows in (second, second))",
        ("data/test_own.py", "data/test_own_left_out.py"),
    ),
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_is_found(plant: Plant, mutant: Mutant) -> None:
    check(plant, mutant)


def test_the_same_tests_pass_on_an_unchanged_copy(plant: Plant) -> None:
    check_unchanged(plant, MUTANTS)
