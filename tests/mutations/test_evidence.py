"""Errors planted in `care_bench.evidence`, and in what its records must have in common, are found by their tests."""

from __future__ import annotations

import pytest

from tests.mutations.conftest import Mutant, Plant, check, check_unchanged

pytestmark = pytest.mark.mutation

STATISTICS = ("evidence/test_statistics.py",)
PAIRS = ("evidence/test_pairs.py",)
LEDGER = ("evidence/test_ledger.py",)
SAMPLING = ("evidence/test_sampling.py",)
CONSISTENCY = ("artifacts/test_consistency.py",)
MUTANTS = (
    Mutant("the t-test is one-sided", "evidence/statistics.py", "return 2 * _t_tail(", "return _t_tail(", STATISTICS),
    Mutant(
        "sign flips count only sums that are further off",
        "evidence/statistics.py",
        "sums >= sums[0] - rounding",
        "sums > sums[0] + rounding",
        STATISTICS,
    ),
    Mutant(
        "the bootstrap interval is not accelerated",
        "evidence/statistics.py",
        "(1 - acceleration * (bias + end))",
        "1",
        STATISTICS,
    ),
    Mutant(
        "Holm's values may fall",
        "evidence/statistics.py",
        "largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))",
        "largest = min(1.0, (len(p_values) - rank) * p_values[index])",
        STATISTICS,
    ),
    Mutant(
        "an equivalence needs one of its two tests",
        "evidence/statistics.py",
        "return max(_t_tail(margin - mean, found)",
        "return min(_t_tail(margin - mean, found)",
        STATISTICS,
    ),
    Mutant(
        "the best of several rows is not paid for",
        "evidence/statistics.py",
        "min(1.0, len(found) * min(found))",
        "min(found)",
        STATISTICS,
    ),
    Mutant(
        "a log ratio is a difference", "evidence/statistics.py", 'if scale == "difference":', "if True:", STATISTICS
    ),
    Mutant(
        "draws that change nothing count",
        "evidence/pairs.py",
        "better[moving].mean()",
        "better.mean()",
        PAIRS,
    ),
    Mutant(
        "an opponent outside of its range is the nearest one",
        "evidence/pairs.py",
        "if not min(at[1:]) <= at[0] <= max(at[1:]):",
        "if False:",
        PAIRS,
    ),
    Mutant(
        "movement is matched on a linear scale",
        "evidence/pairs.py",
        "np.interp(np.log(at[0]), x, y)",
        "np.interp(at[0], np.exp(x), y)",
        PAIRS,
    ),
    Mutant(
        "the guard looks at the opponent's collapse",
        "evidence/pairs.py",
        "(numbers(own, seeds) - opponent).mean()",
        "(opponent - numbers(own, seeds)).mean()",
        LEDGER,
    ),
    Mutant(
        "the guard against collapse looks at the first of the matched rows",
        "evidence/pairs.py",
        "opponent = _interpolated(others, movement, seeds, cell.opponents, ratio=False)",
        "_interpolated(others, movement, seeds, cell.opponents, ratio=False)",
        PAIRS,
    ),
    Mutant(
        "records of other seeds decide too",
        "evidence/pairs.py",
        "            if record.seed in wanted:",
        "            if True:",
        (*PAIRS, *LEDGER),
    ),
    Mutant(
        "seeds without a value are left out without a word",
        "evidence/pairs.py",
        "if gone := [seed for seed in self.seeds if seed not in known]:",
        "if gone := []:",
        LEDGER,
    ),
    Mutant(
        "lower is higher",
        "evidence/findings.py",
        'sign = -1 if comparison.direction == "lower" and comparison.of == "value" else 1',
        "sign = 1",
        LEDGER,
    ),
    Mutant("the exact test has no say", "evidence/findings.py", "elif not agrees:", "elif False:", LEDGER),
    Mutant("any effect is worth having", "evidence/findings.py", "elif mean < worth:", "elif False:", LEDGER),
    Mutant(
        "protocols need not agree",
        "evidence/weighing.py",
        'sides.pop() if len(sides) == 1 else "neither"',
        "sides.pop()",
        (*LEDGER, "test_verdicts.py"),
    ),
    Mutant(
        "one comparison against a claim is not enough",
        "evidence/weighing.py",
        'side: Side = "against" if "against" in sides else "for" if set(sides) == {"for"} else "neither"',
        'side: Side = "for" if "for" in sides else "neither"',
        LEDGER,
    ),
    Mutant(
        "the clearest of several comparisons is not paid for",
        "evidence/weighing.py",
        "return Weight(all(one.run for one in found), side, p_for, min(1.0, len(found) * p_against))",
        "return Weight(all(one.run for one in found), side, p_for, p_against)",
        LEDGER,
    ),
    Mutant(
        "the effect shown may be of protocols that disagree",
        "evidence/weighing.py",
        "for place, group in enumerate(groups) if agreed(group).side == side}",
        "for place, group in enumerate(groups)}",
        LEDGER,
    ),
    Mutant(
        "a comparison on neither side lends its p-value",
        "evidence/weighing.py",
        "return min(on_it or [p for _, p in p_values])",
        "return min(p for _, p in p_values)",
        LEDGER,
    ),
    Mutant(
        "a family does not share its level",
        "evidence/ledger.py",
        "        p_values = holm([weighed[name].p for name in members])\n",
        "        p_values = [weighed[name].p for name in members]\n",
        LEDGER,
    ),
    Mutant(
        "samples and seeds add up without squares",
        "evidence/sampling.py",
        "_around(middle, math.hypot(over_seeds, over_samples))",
        "_around(middle, over_seeds + over_samples)",
        SAMPLING,
    ),
    Mutant(
        "the error of half of the samples is that of all",
        "evidence/sampling.py",
        "math.sqrt(self._factor[dataset] * float(np.var(effects, ddof=1)))",
        "math.sqrt(float(np.var(effects, ddof=1)) / 2)",
        SAMPLING,
    ),
    Mutant(
        "two methods may be one variant",
        "artifacts/consistency.py",
        '_ROW = attrgetter("dataset", "variant")',
        '_ROW = attrgetter("dataset", "variant", "fidelity")',
        CONSISTENCY,
    ),
    Mutant(
        "an encoder may be trained twice",
        "artifacts/consistency.py",
        "    if known != record.weights_sha256:",
        "    if False:",
        CONSISTENCY,
    ),
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_is_found(mutant: Mutant, plant: Plant) -> None:
    check(plant, mutant)


def test_the_same_tests_pass_on_an_unchanged_copy(plant: Plant) -> None:
    check_unchanged(plant, MUTANTS)
