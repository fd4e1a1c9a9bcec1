"""Rules for claims, read with the names of protocols and metrics checked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from care_bench.config.claims import Claim, ClaimRules, Comparison, Sweep, read_claims
from care_bench.errors import CareBenchError, unknown
from care_bench.evaluation.protocols import PROTOCOLS


def read_rules(path: Path) -> tuple[ClaimRules, str]:
    """Read a file of rules, such as `reference/claims.yaml` of a results folder.

    Returns:
        The rules, and the SHA-256 of the file.

    Raises:
        CareBenchError: no such file, not rules, or a protocol or metric that does not exist; in one line.
    """
    rules, digest = read_claims(path)
    for claim in rules.claims:
        for protocol, metric in _named(claim):
            where = f"{path}: claim {claim.id}"
            if protocol not in PROTOCOLS:
                raise CareBenchError(f"{where}: {unknown('protocol', protocol, PROTOCOLS)}")
            metrics = [found.name for found in PROTOCOLS[protocol].metrics]
            if metric not in metrics:
                raise CareBenchError(f"{where}: {unknown(f'metric of {protocol}', metric, metrics)}")
    return rules, digest


def _named(claim: Claim) -> Iterator[tuple[str, str]]:
    """Yield every protocol of a claim with the metric that it has to have."""
    measured: list[Comparison | Sweep] = [*claim.comparisons, *([claim.sweep] if claim.sweep else [])]
    for one in measured:
        yield from ((protocol, one.metric) for protocol in one.protocols)
    for guard in (claim.guards.collapse, claim.guards.movement):
        if guard is not None:
            yield guard.protocol, guard.metric
