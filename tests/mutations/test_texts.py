"""Every planted error still has its place: without this, a moved line would be noticed in the long suites alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutations import (
    test_embedding,
    test_evaluation,
    test_evidence,
    test_imported,
    test_kept,
    test_methods,
    test_metrics,
    test_protocols,
    test_report,
    test_training,
)
from tests.theory.test_mutations import MUTATIONS

ROOT = Path(__file__).parents[2]
MODULES = (
    *(test_embedding, test_evaluation, test_evidence, test_imported, test_kept, test_methods),
    *(test_metrics, test_protocols, test_report, test_training),
)
PLANTED = [(f"care_bench/{mutant.file}", mutant.old) for module in MODULES for mutant in module.MUTANTS] + [
    (mutation.file, old) for mutation in MUTATIONS for old, _ in mutation.replacements
]


@pytest.mark.parametrize("file", sorted({file for file, _ in PLANTED}))
def test_the_text_that_is_replaced_is_there_once(file: str) -> None:
    text = (ROOT / file).read_text()
    assert {old: text.count(old) for where, old in PLANTED if where == file and text.count(old) != 1} == {}
