"""Which row of tables a record belongs to: what is another method on another data set is another row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain

from care_bench.artifacts import Record
from care_bench.artifacts.groups import Place
from care_bench.artifacts.illustrations import Shown
from care_bench.artifacts.settings import Setting, flattened
from care_bench.names import IMPORTED
from care_bench.report.labels import Variant, says_more

PLAIN: Mapping[str, Mapping[str, Setting]] = {"simclr": {"invariance_weight": 1}}
"""Method -> settings with the value that its plain name stands for: SimCLR is InfoNCE with weight 1 alone."""


class Variants:
    """The rows of a collection.

    A row is told from another one of its name by :attr:`Variant.setting`: a setting of ``PLAIN`` that has another
    value, in the method or in the one it wraps, and every setting of the latter that is not that of the row which bears
    its plain name on the data set. A method around such a base is compared with its plain row by two differences.

    Args:
        records: one of every row on every data set at least; seeds share their settings.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        configs: dict[tuple[str, Variant], str] = {}
        for record in records:
            configs.setdefault((record.dataset, variant_of(record)), record.config)
        self._own = {place: _settings(config, "method.") for place, config in configs.items()}
        plain = {
            (dataset, row.method): self._own[dataset, row]
            for dataset, row in configs
            if row.base is None and not says_more(row)
        }
        self._found = {
            (dataset, row): row._replace(
                setting=_told(row.base, _settings(config, "method.base."), plain.get((dataset, row.base), {}))
                if row.base
                else _told(row.method, self._own[dataset, row], {})
            )
            for (dataset, row), config in configs.items()
        }

    def of(self, record: Record | Place) -> Variant:
        """Return the row of a record, or of what several record."""
        return self._found[record.dataset, variant_of(record)]

    def of_run(self, dataset: str, run: Shown) -> Variant:
        """Return the row of a run that is drawn."""
        return self._found[dataset, variant_of(run)]

    def differing(self, row: Variant, datasets: Iterable[str]) -> list[str]:
        """Return the settings of a row's method that differ between some of its data sets."""
        here = [dataset for dataset in datasets if self._found.get((dataset, row._replace(setting=""))) == row]
        found = [self._own[dataset, row._replace(setting="")] for dataset in here]
        return [key for key in dict.fromkeys(chain(*found)) if any(one.get(key) != found[0].get(key) for one in found)]


def variant_of(one: Record | Place | Shown) -> Variant:
    """Return the row of a record as its name has it, whatever its settings are."""
    base = one.base if isinstance(one, Shown) or one.method != IMPORTED else one.backbone
    return Variant(one.method, base, one.fidelity, one.variant)


def _settings(config: str, prefix: str) -> dict[str, Setting]:
    """Return the settings of a method, without the one that it wraps."""
    found = ((key.removeprefix(prefix), value) for key, value in flattened(config).items() if key.startswith(prefix))
    return {key: value for key, value in found if "." not in key}


def _told(method: str, settings: Mapping[str, Setting], plain: Mapping[str, Setting]) -> str:
    """Write the settings of a method that are neither as its plain name says nor those of the plain row."""
    named = PLAIN.get(method, {})
    usual = {**named, **plain}
    special = {
        key: value
        for key, value in settings.items()
        if value != usual.get(key, value) or value != named.get(key, value)
    }
    return ", ".join(f"{key.replace('_', ' ')} {_text(value)}" for key, value in special.items())


def _text(value: Setting) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
