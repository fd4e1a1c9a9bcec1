"""Every metric that is recorded is computed again by a test of this folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.wiring.end_to_end.whole_run import Measured


def test_nothing_recorded_is_left_out(measured: Callable[[str], Measured]) -> None:
    """The metrics that the tests name are all that the two data sets have, but for blanks."""
    names = {
        record.metric
        for name in ("digits", "proteins")
        for record in measured(name).records
        if record.value is not None
    }
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    families = {name for name in names if name.startswith(("predicted_", "profile_", "lie_"))}
    assert {name for name in names - families if f'"{name.rstrip("0123456789")}' not in text} == set()
    for name in ("digits", "proteins"):
        run = measured(name)
        blank = {record.protocol for record in run.records if record.value is None}
        expected = {
            "digits": {"first-pc-v1", "trajectories-v1", "augmentation-prediction-v1"},  # gray images have no colours
            "proteins": {"cached-v1", "paper-small-v1", "knn-v1", "augmentation-prediction-v1"},
        }
        probes = {"paper-imagenet100-v1", "released-small-v1", "augmented-imagenet100-v1"}
        partly = {"certificate-v1", "augmentation-profile-v1", "lie-derivative-v1"}
        assert blank - partly == expected[name] | probes | {"retrieval-v1"}
