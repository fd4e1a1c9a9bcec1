"""Manifests: hashes of the files of a folder, which reveal every missing, added or changed file, and of themselves."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from care_bench.errors import CareBenchError
from care_bench.files import canonical_json, sha256_bytes, sha256_file, write_text
from care_bench.untrusted import absent, decoding, read_bytes, reason

EXPECTED = "expected the manifest of the folder, as care_bench wrote it"


class FileEntry(BaseModel):
    """What a file held when the manifest was made."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Differences:
    """How a folder differs from its manifest; file names are relative to the folder, sorted.

    Attributes:
        missing, added, changed: names.
        unreadable: name -> reason.
    """

    missing: tuple[str, ...]
    added: tuple[str, ...]
    changed: tuple[str, ...]
    unreadable: dict[str, str]

    def lines(self, folder: Path) -> list[str]:
        """One phrase per file, such as `missing results/pinned/a/records.csv`."""
        kinds = (("missing", self.missing), ("added", self.added), ("changed", self.changed))
        named = [f"{kind} {folder / name}" for kind, names in kinds for name in names]
        return named + list(self.unreadable.values())


class Manifest(BaseModel):
    """Relative file -> SHA-256 and size for every file below a folder, and facts about them.

    The file holds the SHA-256 of all that it says, and is read only if it is byte for byte what :meth:`save` writes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    NAME: ClassVar[str] = "MANIFEST.json"

    folder: Path = Field(exclude=True, default=Path())
    files: dict[str, FileEntry]
    about: dict[str, str | list[str]] = Field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path, about: dict[str, str | list[str]] | None = None) -> Self:
        """Hash every file below ``folder`` except the manifest itself.

        Args:
            folder: the folder to protect.
            about: facts to keep with the hashes, such as profile and date.

        Raises:
            CareBenchError: a file cannot be read.
        """
        with decoding(folder, "expected a folder of files that can be read"):
            files = {name: _entry(folder / name) for name in sorted(_names(folder))}
        return cls(folder=folder, files=files, about=about or {})

    def save(self) -> Path:
        """Write `MANIFEST.json` into the folder and return its path."""
        path = self.folder / self.NAME
        write_text(path, self._text())
        return path

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the folder's `MANIFEST.json`.

        Raises:
            CareBenchError: no manifest, or one that differs in any byte from the one that was written.
        """
        path = folder / cls.NAME
        if absent(path):
            raise CareBenchError(f"missing {path}")
        content = read_bytes(path, EXPECTED)
        with decoding(path, EXPECTED):
            found = json.loads(content)
            if not isinstance(found, dict):
                raise ValueError(f"found {type(found).__name__} at the top level")
            own = found.pop("sha256", None)
            try:
                manifest = cls.model_validate_json(json.dumps(found))
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                key = ".".join(str(part) for part in first["loc"])
                raise ValueError(f"{key}: {first['msg']}" if key else first["msg"]) from None
        if own is None:
            raise CareBenchError(f"{path} lacks its own sha256: it comes from an earlier version; {EXPECTED}")
        if manifest._text().encode() != content:
            raise CareBenchError(f"{path} is damaged: the manifest itself was changed; {EXPECTED}")
        return manifest.model_copy(update={"folder": folder})

    def differences(self) -> Differences:
        """Compare the folder as it is now with the manifest.

        Raises:
            CareBenchError: a folder cannot be read.
        """
        with decoding(self.folder, f"expected the files of {self.NAME}"):
            present = set(_names(self.folder))
        known = set(self.files)
        changed, unreadable = [], {}
        for name in sorted(present & known):
            try:
                if not _matches(self.folder / name, self.files[name]):
                    changed.append(name)
            except OSError as error:
                unreadable[name] = reason(self.folder / name, error)
        return Differences(tuple(sorted(known - present)), tuple(sorted(present - known)), tuple(changed), unreadable)

    def verify(self) -> None:
        """Check that the folder holds exactly the manifest's files, unchanged.

        Raises:
            CareBenchError: one line naming every file that is missing, added, changed or unreadable.
        """
        lines = self.differences().lines(self.folder)
        if lines:
            raise CareBenchError("; ".join(lines))

    def _text(self) -> str:
        content = self.model_dump(mode="json")
        signed = content | {"sha256": sha256_bytes(canonical_json(content))}
        return json.dumps(signed, indent=2, sort_keys=True) + "\n"


def _names(folder: Path, prefix: str = "") -> Iterator[str]:
    """Yield the relative names of all files and links below a folder but for the manifest's."""
    with os.scandir(folder) as entries:
        found = list(entries)
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            yield from _names(folder / entry.name, f"{prefix}{entry.name}/")
        elif prefix + entry.name != Manifest.NAME:
            yield prefix + entry.name


def _entry(path: Path) -> FileEntry:
    return FileEntry(sha256=sha256_file(path), bytes=path.stat().st_size)


def _matches(path: Path, entry: FileEntry) -> bool:
    """Compare the size first: a file of another size need not be hashed, and only a plain file is opened."""
    return path.is_file() and path.stat().st_size == entry.bytes and sha256_file(path) == entry.sha256
