"""Manifests: hashes of the files of a folder, which reveal every missing, added or changed file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from care_bench.errors import CareBenchError
from care_bench.files import sha256_file, write_json


class FileEntry(BaseModel):
    """What a file held when the manifest was made."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Differences:
    """How a folder differs from its manifest; file names are relative to the folder, sorted."""

    missing: tuple[str, ...]
    added: tuple[str, ...]
    changed: tuple[str, ...]

    def lines(self, folder: Path) -> list[str]:
        """One phrase per file, such as `missing results/pinned/a/records.csv`."""
        kinds = (("missing", self.missing), ("added", self.added), ("changed", self.changed))
        return [f"{kind} {folder / name}" for kind, names in kinds for name in names]


class Manifest(BaseModel):
    """Relative file -> SHA-256 and size for every file below a folder, and facts about them."""

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
        """
        files = {name: _entry(folder / name) for name in _names(folder)}
        return cls(folder=folder, files=files, about=about or {})

    def save(self) -> Path:
        """Write `MANIFEST.json` into the folder and return its path."""
        path = self.folder / self.NAME
        write_json(path, self.model_dump(mode="json"))
        return path

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the folder's `MANIFEST.json`.

        Raises:
            CareBenchError: no manifest, or a damaged one.
        """
        path = folder / cls.NAME
        try:
            manifest = cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise CareBenchError(f"missing {path}") from None
        except OSError as error:
            raise CareBenchError(f"cannot read {path}: {error.strerror or error}") from None
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join(str(part) for part in first["loc"]) or "top level"
            raise CareBenchError(f"damaged {path}: {key}: {' '.join(first['msg'].split())}") from None
        return manifest.model_copy(update={"folder": folder})

    def differences(self) -> Differences:
        """Compare the folder as it is now with the manifest."""
        present = set(_names(self.folder))
        known = set(self.files)
        changed = {name for name in present & known if not _matches(self.folder / name, self.files[name])}
        return Differences(*(tuple(sorted(names)) for names in (known - present, present - known, changed)))

    def verify(self) -> None:
        """Check that the folder holds exactly the manifest's files, unchanged.

        Raises:
            CareBenchError: one line naming every file that is missing, added or changed.
        """
        lines = self.differences().lines(self.folder)
        if lines:
            raise CareBenchError("; ".join(lines))


def _names(folder: Path) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted(name for path in files if (name := path.relative_to(folder).as_posix()) != Manifest.NAME)


def _entry(path: Path) -> FileEntry:
    return FileEntry(sha256=sha256_file(path), bytes=path.stat().st_size)


def _matches(path: Path, entry: FileEntry) -> bool:
    """Compare the size first: a file of another size need not be hashed, and only a plain file is opened."""
    return path.is_file() and path.stat().st_size == entry.bytes and sha256_file(path) == entry.sha256
