"""Downloading entries of the Protein Data Bank into the folder of raw data."""

from __future__ import annotations

import gzip
import http.client
import io
import re
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from care_bench import __version__
from care_bench.data.preparing.structures import FOLDER, entry_id
from care_bench.errors import CareBenchError
from care_bench.files import write_bytes
from care_bench.progress import progress
from care_bench.untrusted import absent, decoding, is_damage, read_bytes, reason

BASE_URL = "https://files.rcsb.org/download"
"""Where <ID>.cif.gz is served: RCSB PDB, a founder of the wwPDB (www.rcsb.org/docs/programmatic-access)."""

AT_ONCE = 8  # parallel downloads
TIMEOUT = 60.0  # seconds without an answer
PAUSES = (1.0, 2.0, 4.0, 8.0)  # seconds before another attempt
SHOWN = 20  # ids in a message


@dataclass(frozen=True)
class Fetched:
    """Numbers of downloaded and kept entries, and the entries that the server does not know."""

    downloaded: int
    kept: int
    unknown: tuple[str, ...]


def fetch(ids: Path, raw: Path, skip_broken: bool = False, base_url: str = BASE_URL) -> Fetched:
    """Download the mmCIF files of entries to ``raw/pdb/<ID>.cif.gz``; complete files are kept.

    Args:
        ids: text file of ids, one per line, in capitals or not; # begins a comment.
        raw: folder of raw data.
        skip_broken: leave out ids that the server does not know.
        base_url: the part of the address before ``/<ID>.cif.gz``.

    Raises:
        CareBenchError: the list is missing or empty, or a line is not an id; the server does not know some of the ids,
            in which case all others were downloaded; or it cannot be reached, and the next call continues.
    """
    wanted = read_ids(ids)
    pool = ThreadPoolExecutor(AT_ONCE)
    stop = threading.Event()
    try:
        with progress("pdb: entries", len(wanted)) as advance:
            jobs = {
                pool.submit(_fetch, f"{base_url}/{entry}.cif.gz", raw / FOLDER / f"{entry}.cif.gz", stop): entry
                for entry in wanted
            }
            outcomes: dict[str, str] = {}
            for done, job in enumerate(as_completed(jobs), 1):
                outcomes[jobs[job]] = job.result()
                advance(done, jobs[job])
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
    unknown = tuple(entry for entry in wanted if outcomes[entry] == "unknown")
    if unknown and not skip_broken:
        more = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
        raise CareBenchError(
            f"pdb: {base_url} does not know {len(unknown)} of the {len(wanted)} entries in {ids}: "
            f"{', '.join(unknown[:SHOWN])}{more}; the others are in {raw / FOLDER}; --skip-broken accepts that"
        )
    found = list(outcomes.values())
    return Fetched(found.count("downloaded"), found.count("kept"), unknown)


def read_ids(path: Path) -> list[str]:
    """Return the ids of a list in its order, each once.

    Raises:
        CareBenchError: the list cannot be read or is empty, or a line is not a four-character id.
    """
    content = read_bytes(path, "expected PDB ids, one per line")
    with decoding(path, "expected PDB ids, one per line"):
        lines = content.decode().splitlines()
    ids: dict[str, None] = {}
    for number, line in enumerate(lines, 1):
        if text := line.partition("#")[0].strip():
            entry = entry_id(text)
            if not re.fullmatch(r"[1-9][A-Z0-9]{3}", entry):
                raise CareBenchError(
                    f"{path}, line {number}: found {text!r}, expected a PDB id of four characters such as 1UBQ (or "
                    "pdb_00001ubq): entries with a longer id only are not served at this address"
                )
            ids[entry] = None
    if not ids:
        raise CareBenchError(f"{path} holds no ids; expected PDB ids, one per line")
    return list(ids)


def _fetch(url: str, path: Path, stop: threading.Event) -> str:
    """Download a file unless it is there; return "downloaded", "kept", or "unknown" where the server has none."""
    if not absent(path) and is_whole(read_bytes(path, f"expected a gzip file, or none, to download {url}")):
        return "kept"
    content = _download(url, stop)
    if content is None:
        return "unknown"
    write_bytes(path, content)
    return "downloaded"


def _download(url: str, stop: threading.Event) -> bytes | None:
    """Return the content of a URL, or None if it does not exist; other errors are retried until ``stop`` is set."""
    request = urllib.request.Request(url, headers={"User-Agent": f"care-bench/{__version__}"})
    for pause in (*PAUSES, None):
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                content: bytes = answer.read()
            if is_whole(content):
                return content
            fault = "it is not a whole gzip file"
        except urllib.error.HTTPError as error:
            if error.code == http.HTTPStatus.NOT_FOUND:
                return None
            fault = f"HTTP status {error.code}"
            if error.code < 500 and error.code != http.HTTPStatus.TOO_MANY_REQUESTS:
                break
        except (OSError, http.client.HTTPException) as error:
            fault = str(error) or type(error).__name__
        if pause is None or stop.wait(pause):
            break
    raise CareBenchError(f"pdb: cannot download {url}: {fault}; start again to continue")


def is_whole(content: bytes) -> bool:
    """Tell whether this is a complete gzip file with the right checksum."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            while file.read(1 << 20):
                pass
    except Exception as error:  # damaged files raise several kinds
        if is_damage(error):
            return False
        raise CareBenchError(f"{reason('a downloaded entry', error)}; expected less than the memory") from error
    return bool(content)
