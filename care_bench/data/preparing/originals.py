"""The published files of a data set: found in the folder of raw data or downloaded to it, and always checked.

Existing raw files are never changed: archives are unpacked in the workspace, and a damaged file is an error. Unpacked
files are checked again whenever an attempt is continued, and unpacked again where they are damaged.
"""

from __future__ import annotations

import hashlib
import posixpath
import shutil
import socket
import sys
import tarfile
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError

from care_bench.data.source import Raw
from care_bench.empty_folders import removing_empty
from care_bench.errors import CareBenchError
from care_bench.files import locked, remove, write_json
from care_bench.untrusted import absent, decoding, is_damage, open_regular, read_json, sha256_of
from care_bench.unwritable import make_folder, writing

UNPACKED = "unpacked"  # folder in the workspace; the .json file of that name has the sha256 of its files
TIMEOUT = 60.0  # seconds to wait for a server to send something


@dataclass(frozen=True)
class Download:
    """A file on a server.

    Attributes:
        path: relative to the folder of raw data.
        url: where to download it.
        md5: of its content, in hex.
    """

    path: str
    url: str
    md5: str


@dataclass(frozen=True)
class Originals:
    """The published files of one data set.

    Attributes:
        name: of the data set.
        page: the official page, which error messages name.
        raw: where to look, and where to unpack.
    """

    name: str
    page: str
    raw: Raw

    def has(self, path: str, md5: str | None) -> bool:
        """Tell whether a file is in the folder of raw data.

        Args:
            path: relative to the folder.
            md5: of its content; None where the publisher gives none.

        Raises:
            CareBenchError: it cannot be read, or has another md5; or it is not a regular file.
        """
        place = self.raw.folder / path
        if absent(place):
            return False
        with decoding(place, "expected a file"), open_regular(place) as file:
            size = place.stat().st_size
            found = md5 and hashlib.file_digest(file, _md5).hexdigest()
        if found != md5:
            raise self.damaged(place, f"{size} bytes with md5 {found}, expected md5 {md5}")
        return True

    def fetch(self, files: Iterable[Download], missing: str | None = None) -> None:
        """Download missing files to the folder of raw data; incomplete ones are removed.

        Args:
            files: the files that are needed.
            missing: the missing file that the error message names; by default the one whose download failed.

        Raises:
            CareBenchError: an existing file is damaged, or one cannot be downloaded or written.
        """
        needed = [file for file in files if not self.has(file.path, file.md5)]
        for index, file in enumerate(needed):
            place = self.raw.folder / file.path
            try:
                with removing_empty(place.parent):
                    make_folder(place.parent)
                    with locked(place.parent, wait=True):
                        if not self.has(file.path, file.md5):  # another process may have been faster
                            _download(file, place)
            except (OSError, RuntimeError, HTTPException) as error:
                said = " ".join(str(error).split()) or type(error).__name__
                wanted = ", ".join(f"{self.raw.folder / other.path} (md5 {other.md5})" for other in needed[index:])
                raise CareBenchError(
                    f"{self.name}: {self.raw.folder / (missing or file.path)} is missing, and downloading {file.url} "
                    f"failed: {said}; expected, from {self.page}: {wanted}"
                ) from error

    def unpacked(self, archive: Download, files: Mapping[str, str | None]) -> Path:
        """Return a folder that has all files of an archive, at the same relative paths as the folder of raw data.

        This is the folder of raw data if it has them all. Otherwise the archive is unpacked in the workspace. What an
        earlier attempt has unpacked there is checked, and unpacked again where it is damaged.

        Args:
            archive: downloaded if it is missing as well.
            files: path -> md5, or None where the publisher gives none: then the sha256 is noted when it is unpacked.

        Raises:
            CareBenchError: as :meth:`has` and :meth:`fetch`; or the workspace cannot be written.
        """
        missing = [path for path, md5 in files.items() if not self.has(path, md5)]
        if not missing:
            return self.raw.folder
        root = self.raw.workspace / UNPACKED
        known = self._known()
        wrong = {path: md5 for path, md5 in files.items() if not _is_as_before(root / path, md5, known.get(path))}
        if wrong:
            self.fetch([archive], missing[0])
            known |= self._unpack(archive, root, wrong)
            write_json(self._notes, known)
        return root

    @property
    def _notes(self) -> Path:
        return self.raw.workspace / f"{UNPACKED}.json"

    def _known(self) -> dict[str, str]:
        """Return path -> sha256 of the unpacked files whose md5 is not published; nothing if that is damaged."""
        try:
            found = read_json(self._notes, "expected notes on unpacked files")
        except CareBenchError as error:
            if self._notes.is_file() and isinstance(error.__cause__, Exception) and not is_damage(error.__cause__):
                raise
            with writing(self._notes):
                remove(self._notes)
            return {}
        return found if isinstance(found, dict) else {}

    def _unpack(self, archive: Download, root: Path, files: Mapping[str, str | None]) -> dict[str, str]:
        """Unpack some files of an archive; return the sha256 of those without a published md5.

        Raises:
            CareBenchError: the archive does not have them as published, or the workspace cannot be written.
        """
        packed = self.raw.folder / archive.path
        expected = f"expected the archive of {self.page}"
        found = {}
        with decoding(packed, expected), open_regular(packed) as file, tarfile.open(fileobj=file) as members:
            for member in members:
                path = posixpath.normpath(posixpath.join(posixpath.dirname(archive.path), member.name))
                if path not in files or not member.isfile():
                    continue
                content = members.extractfile(member)
                assert content is not None  # it is a regular file
                with writing(root / path):
                    remove(root / path)
                    make_folder((root / path).parent)
                    with (root / path).open("wb") as target:
                        shutil.copyfileobj(content, target)
                md5 = files[path]
                found[path] = sha256_of(root / path, expected)
                if not _is_as_before(root / path, md5, found[path]):
                    raise self.damaged(packed, f"its {member.name} is not the published one of md5 {md5}")
        if lacking := [path for path in files if path not in found]:
            raise self.damaged(packed, f"it lacks {lacking[0]}")
        return {path: sha256 for path, sha256 in found.items() if files[path] is None}

    def expect(self, what: str, found: int, expected: int) -> None:
        """Compare a number of images or labels with the published one.

        Raises:
            CareBenchError: they differ.
        """
        if found != expected:
            raise CareBenchError(
                f"{self.name}: {found:,} {what} in {self.raw.folder}, expected {expected:,}; see {self.page}"
            )

    def damaged(self, path: Path, found: str) -> CareBenchError:
        """Build the error for a file that is not the published one."""
        return CareBenchError(
            f"{self.name}: {path} is truncated or changed: {found}; delete it, or replace it by the one of {self.page}"
        )


def _download(file: Download, place: Path) -> None:
    from torchvision.datasets.utils import download_url

    part = place.with_name(f".{place.name}.part")  # the folder is locked; it replaces that of a killed process
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        with redirect_stdout(sys.stderr):
            download_url(file.url, place.parent, filename=part.name, md5=file.md5)
        part.replace(place)
    except HTTPError as error:
        error.close()  # it holds the connection
        raise
    finally:
        socket.setdefaulttimeout(patience)
        with suppress(OSError):
            remove(part)


def _is_as_before(path: Path, md5: str | None, sha256: str | None) -> bool:
    """Compare a file with its published md5, or else with the sha256 that was noted before.

    Raises:
        CareBenchError: it cannot be read.
    """
    if not path.is_file() or md5 is sha256 is None:
        return False
    with decoding(path, "expected an unpacked file"), path.open("rb") as file:
        return hashlib.file_digest(file, _md5 if md5 else "sha256").hexdigest() == (md5 or sha256)


def _md5() -> hashlib._Hash:
    return hashlib.md5(usedforsecurity=False)
