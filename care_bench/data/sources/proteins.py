"""Protein backbones: fragments of 64 C-alpha atoms from Protein Data Bank entries, embedded in the package."""

from __future__ import annotations

import hashlib
import io
from importlib import resources

import numpy as np

from care_bench.data.preparing.fragments import FRAGMENT, fragments, point_clouds
from care_bench.data.source import Array, Built, DatasetInfo, Raw, SplitArrays
from care_bench.errors import CareBenchError
from care_bench.files import sha256_bytes

ASSET = "proteins.npz"
ASSET_SHA256 = "1fd0f55d2f2bd173a8d440c6f19fe0bcfafb3a82809fdc2fd362b89d8b6c7dca"

ALWAYS_TRAIN = "6ZU5"  # a ribosome: 71 of the 165 chains, many extended rather than globular
RELATED = (
    ("1BD2", "3KPR", "3PWP"),  # T-cell receptor complexes
    ("1GBT", "4ZHL"),  # serine proteases
    ("1HVR", "4E43"),  # HIV protease
    ("1UBI", "3A4R"),  # ubiquitin and a ubiquitin-like domain
    ("3HSY", "3O21"),  # AMPA receptors
)
_GROUP = {entry: group[0] for group in RELATED for entry in group}


def is_test(pdb_id: str) -> bool:
    """Tell whether an entry is in the test split, from its group alone, so that entries added later move none.

    Entries of related proteins form a group, which is named after its first entry. It is in the test split when the
    sha256 of its name, read as a number, is divisible by four. ``ALWAYS_TRAIN`` never is.
    """
    digest = hashlib.sha256(_GROUP.get(pdb_id, pdb_id).encode()).digest()
    return pdb_id != ALWAYS_TRAIN and int.from_bytes(digest) % 4 == 0


def build(raw: Raw) -> Built:
    """Build the fragments: float32 (n, 64, 3), each centred on its mean, in nanometres; label ``pdb_id``.

    Raises:
        CareBenchError: the embedded file is missing or has another checksum.
    """
    chains = _read_asset()
    cut = [
        fragments(chains["coords"][start:stop])
        for start, stop in zip(chains["offsets"][:-1], chains["offsets"][1:], strict=True)
    ]
    clouds = point_clouds(np.concatenate(cut))
    entries = np.repeat(chains["pdb_id"], [len(pieces) for pieces in cut])
    test = np.array([is_test(str(entry)) for entry in entries])
    return Built(
        train=SplitArrays(clouds[~test], {"pdb_id": entries[~test]}),
        test=SplitArrays(clouds[test], {"pdb_id": entries[test]}),
        inputs=f"C-alpha positions of {FRAGMENT} consecutive residues, centred on their mean, in nanometres",
        source="Protein Data Bank: 83 entries, as shipped by Python packages (named in proteins_sources.csv)",
        licence="CC0 1.0",
        split_rule=(
            f"by PDB entry: {ALWAYS_TRAIN} trains; related entries ({'; '.join('/'.join(group) for group in RELATED)}) "
            "stay together; a group tests when the sha256 of its first entry's id divides by 4"
        ),
    )


def _read_asset() -> dict[str, Array]:
    asset = resources.files("care_bench.data") / "assets" / ASSET
    try:
        content = asset.read_bytes()
    except OSError as error:
        raise CareBenchError(f"cannot read {asset}: {error.strerror}; install care-bench again") from error
    if (found := sha256_bytes(content)) != ASSET_SHA256:
        raise CareBenchError(f"{asset} has sha256 {found}, expected {ASSET_SHA256}; install care-bench again")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in ("coords", "offsets", "pdb_id")}


INFO = DatasetInfo(
    name="proteins",
    kind="point_cloud",
    title="Protein fragments",
    how_to_get="nothing to fetch: care-bench ships it",
    labels=("pdb_id",),
    build=build,
)
