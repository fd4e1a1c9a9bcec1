"""The folder of a crate: its metadata says what belongs to it, and nothing else is ever replaced."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from care_bench.artifacts.collection import COLLECTED, PINNED
from care_bench.artifacts.folders import SHOWN, check_replaceable, holds_collections
from care_bench.errors import CareBenchError
from care_bench.files import canonical_json, sha256_bytes
from care_bench.untrusted import absent, decoding, read_json, sha256_of

METADATA = "ro-crate-metadata.json"
_EXPECTED = "expected a crate as it was written, or a folder that does not exist yet"


def metadata_text(content: dict[str, Any]) -> bytes:
    """Return metadata as JSON with a checksum of itself, so that what a user has added to it is seen."""
    descriptor = _descriptor(content)
    descriptor["description"] = _seal(content)
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()


def check_crate_replaceable(out: Path, name: str, results: Path) -> None:
    """Check that nothing but an unchanged crate of the same pin is lost if a folder is replaced.

    Args:
        out: it may be absent.
        name: of the pin.
        results: the results folder that has the pin.

    Raises:
        CareBenchError: the folder lies inside a results folder, holds anything that its metadata does not list as it
            is, or is the crate of another pin; one line that names it.
    """
    for parent in Path(os.path.realpath(out)).parents:
        if parent == Path(os.path.realpath(results)) or any(
            holds_collections(parent / part) for part in (PINNED, COLLECTED)
        ):
            raise CareBenchError(f"--out {out} is inside the results folder {parent}; expected a folder outside of it")
    if absent(out):
        return
    path = out / METADATA
    if absent(path):
        check_replaceable(out, re.compile("(?!)"), "a crate")
        return
    content = read_json(path, _EXPECTED)
    with decoding(path, _EXPECTED):
        as_written = _descriptor(content).get("description") == _seal(content)
    if not as_written:
        raise _changed(out, [METADATA])
    with decoding(path, _EXPECTED):
        files = {unquote(one["@id"]): one["sha256"] for one in content["@graph"] if one["@type"] == "File"}
        pins = sorted({PurePosixPath(file).parts[1] for file in files if file.startswith(f"{PINNED}/")})
    if pins != [name]:
        raise CareBenchError(f"{out} is the crate of pin {', '.join(pins)}, not of {name}; expected another folder")
    known = {METADATA, *files, *(f"{folder}/" for file in files for folder in PurePosixPath(file).parents)}
    check_replaceable(out, re.compile("|".join(map(re.escape, sorted(known)))), "this crate")
    there = [file for file in files if not absent(out / file)]
    if others := [file for file in there if sha256_of(out / file, _EXPECTED) != files[file]]:
        raise _changed(out, others)


def _changed(out: Path, names: Sequence[str]) -> CareBenchError:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    named = f"{', '.join(names[:SHOWN])}{more}"
    changed = "changed since the crate was written, or it is of an older version"
    return CareBenchError(f"{out}: {named} {changed}; {_EXPECTED}")


def _descriptor(content: dict[str, Any]) -> dict[str, Any]:
    """Return the entity that is about the metadata themselves."""
    found: dict[str, Any] = next(entity for entity in content["@graph"] if entity["@id"] == METADATA)
    return found


def _seal(content: dict[str, Any]) -> str:
    """Return a sentence with the hash of metadata without this sentence."""
    about = _descriptor(content)
    graph = [one for one in content["@graph"] if one is not about]
    bare = {key: value for key, value in about.items() if key != "description"}
    digest = sha256_bytes(canonical_json({**content, "@graph": [bare, *graph]}))
    return f"Written by care_bench; the SHA-256 of this metadata without this sentence, as canonical JSON, is {digest}."
