"""Which file of rules decides the claims of a profile: that of a results folder, or one of an installed package."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from care_bench import plugins
from care_bench.config.claims import read_claims
from care_bench.errors import CareBenchError
from care_bench.untrusted import absent

RULES = Path("reference") / "claims.yaml"
"""File of rules in a results folder."""


def _check(profile: str, found: Any) -> Path:
    if not isinstance(found, str | Path):
        raise ValueError("is no path; expected that of a YAML file with rules for claims")
    try:
        rules, _ = read_claims(Path(found))
    except CareBenchError as error:
        raise ValueError(f"cannot be used: {error}") from None
    if rules.profile != profile:
        raise ValueError(f"has rules for profile {rules.profile!r}; expected those for its own name, {profile!r}")
    return Path(found)


CLAIMS: plugins.Registry[Path] = plugins.Registry(plugins.CLAIMS, {}, _check)
"""Profile -> file of rules of an installed package, whose entry point has the name of the profile."""


def rules_for(profile: str, results: Iterable[Path]) -> Path | None:
    """Return the file of rules for a profile, or None.

    Args:
        profile: its name.
        results: results folders; the first one that has a file of rules counts.

    Raises:
        CareBenchError: a damaged file.
    """
    held = next((folder / RULES for folder in results if not absent(folder / RULES)), None)
    if held is not None and read_claims(held)[0].profile == profile:
        return held
    return CLAIMS.get(profile)
