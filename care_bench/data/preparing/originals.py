"""The published files of a data set: found in the folder of raw data or downloaded to it, and always checked.

Existing raw files are never changed: archives are unpacked elsewhere, and a damaged file is an error.
"""

from __future__ import annotations

import errno
import secrets
import shutil
import socket
import stat
import sys
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError

from care_bench.data.source import Raw
from care_bench.errors import CareBenchError
from care_bench.files import sha256_file, write_json, writing
from care_bench.untrusted import decoding, read_json, sha256_of

UNPACKED = "unpacked.json"  # beside unpacked files: their sha256
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
            CareBenchError: it cannot be read, or has another md5.
        """
        from torchvision.datasets.utils import calculate_md5  # imported here: torch is slow, and only building needs it

        place = self.raw.folder / path
        try:
            status = place.stat()
            if md5 and not stat.S_ISREG(status.st_mode):  # reading a named pipe would wait for a writer
                raise OSError(errno.EINVAL, "it is not a regular file")
            size, found = status.st_size, md5 and calculate_md5(place)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise CareBenchError(f"{self.name}: cannot read {place}: {error.strerror}; expected a file") from error
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
        absent = [file for file in files if not self.has(file.path, file.md5)]
        for index, file in enumerate(absent):
            try:
                _download(file, self.raw.folder / file.path)
            except (OSError, RuntimeError, HTTPException) as error:
                reason = " ".join(str(error).split()) or type(error).__name__
                wanted = ", ".join(f"{self.raw.folder / other.path} (md5 {other.md5})" for other in absent[index:])
                raise CareBenchError(
                    f"{self.name}: {self.raw.folder / (missing or file.path)} is missing, and downloading {file.url} "
                    f"failed: {reason}; expected, from {self.page}: {wanted}"
                ) from error

    def unpacked(self, archive: Download, files: Mapping[str, str | None]) -> Path:
        """Return a folder that has all files of an archive, at the same relative paths as the folder of raw data.

        This is the folder of raw data if it has them all. Otherwise the archive is unpacked in the workspace.

        Args:
            archive: downloaded if it is missing as well.
            files: path -> md5, or None where the publisher gives none.

        Raises:
            CareBenchError: as :meth:`has` and :meth:`fetch`; or the workspace cannot be written.
        """
        from torchvision.datasets.utils import extract_archive

        missing = [path for path, md5 in files.items() if not self.has(path, md5)]
        if not missing:
            return self.raw.folder
        self.fetch([archive], missing[0])
        root, part = self.raw.workspace / "unpacked", self.raw.workspace / "unpacked.part"
        if not self._is_unpacked(root, archive, files):
            with writing(self.raw.workspace):
                for left in (root, part):
                    shutil.rmtree(left, ignore_errors=True)
                target = (part / archive.path).parent
                target.mkdir(parents=True)
                with decoding(self.raw.folder / archive.path, f"get {archive.path} again from {self.page}"):
                    extract_archive(self.raw.folder / archive.path, target)
                absent = [path for path in files if not (part / path).is_file()]
                if absent:
                    raise self.damaged(self.raw.folder / archive.path, f"it has no {absent[0]}")
                write_json(part / UNPACKED, {path: sha256_file(part / path) for path in files})
                part.rename(root)
        return root

    def _is_unpacked(self, root: Path, archive: Download, files: Mapping[str, str | None]) -> bool:
        """Whether an earlier attempt has unpacked the files, and nobody has changed them since."""
        try:
            known = read_json(root / UNPACKED, f"unpack {archive.path} again")
            return set(known) == set(files) and all(
                sha256_of(root / path, f"unpack {archive.path} again") == known[path] for path in files
            )
        except (CareBenchError, TypeError):
            return False

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

    part = place.with_name(f".{place.name}.{secrets.token_hex(4)}.part")
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
            part.unlink()
