from __future__ import annotations

import gzip
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from care_bench.data.preparing import pdb_download
from care_bench.data.preparing.pdb_download import Fetched, fetch, read_ids
from care_bench.errors import CareBenchError
from tests.faults.damage import REPLACEMENTS

ENTRIES = {f"{n}ABC": gzip.compress(f"data_{n}ABC\n".encode() * 500, mtime=0) for n in range(1, 10)}


class Server(ThreadingHTTPServer):
    """Serves the entries; ``faults`` lists what goes wrong at each attempt to get an entry."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: Counter[str] = Counter()
        self.faults: dict[str, list[str]] = {}
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/download"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        entry = self.path.removeprefix("/download/").removesuffix(".cif.gz")
        with self.server.lock:
            self.server.asked[entry] += 1
            faults = self.server.faults.get(entry, [])
            fault = faults.pop(0) if faults else ""
        content = ENTRIES.get(entry)
        if content is None:
            self.send_error(404)
        elif fault.isdigit():
            self.send_error(int(fault))
        elif fault == "reset":
            self.connection.close()
        elif fault == "slow":
            threading.Event().wait(1.5)
        else:
            body = b"<html>busy</html>" if fault == "page" else content
            self.send_response(200)
            self.send_header("Content-Type", "application/gzip")
            if fault != "cut without a length":
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:20] if "cut" in fault else body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(pdb_download, "PAUSES", (0.01, 0.02))
    monkeypatch.setenv("no_proxy", "*")
    server = Server()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def listed(folder: Path, text: str) -> Path:
    path = folder / "ids.txt"
    path.write_text(text)
    return path


def there(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "raw" / "pdb").iterdir()}


def complaint(ids: Path, folder: Path, server: Server) -> str:
    with pytest.raises(CareBenchError) as error:
        fetch(ids, folder / "raw", base_url=server.url)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_entries_are_downloaded_once(tmp_path: Path, server: Server) -> None:
    ids = listed(tmp_path, "# mine\n1ABC\n 2abc  # again\n\npdb_00003abc\n2ABC\n")
    assert fetch(ids, tmp_path / "raw", base_url=server.url) == Fetched(3, 0, ())
    assert there(tmp_path) == {f"{entry}.cif.gz": ENTRIES[entry] for entry in ("1ABC", "2ABC", "3ABC")}
    assert fetch(ids, tmp_path / "raw", base_url=server.url) == Fetched(0, 3, ())
    assert server.asked == {"1ABC": 1, "2ABC": 1, "3ABC": 1}


def test_a_file_cut_off_elsewhere_is_downloaded_again(tmp_path: Path, server: Server) -> None:
    folder = tmp_path / "raw" / "pdb"
    folder.mkdir(parents=True)
    (folder / "1ABC.cif.gz").write_bytes(ENTRIES["1ABC"][:-1])
    (folder / "2ABC.cif.gz").write_bytes(b"")
    (folder / "3ABC.cif.gz").write_bytes(gzip.compress(b"mine", mtime=0))
    ids = listed(tmp_path, "1ABC\n2ABC\n3ABC")
    assert fetch(ids, tmp_path / "raw", base_url=server.url) == Fetched(2, 1, ())
    assert there(tmp_path)["1ABC.cif.gz"] == ENTRIES["1ABC"]
    assert there(tmp_path)["3ABC.cif.gz"] == gzip.compress(b"mine", mtime=0)


@pytest.mark.parametrize("fault", ["500", "503", "429", "reset", "slow", "cut", "cut without a length", "page"])
def test_temporary_faults_are_retried(
    tmp_path: Path, server: Server, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdb_download, "TIMEOUT", 1.0 if fault == "slow" else 60.0)
    server.faults = {"1ABC": [fault, fault], "2ABC": [fault]}
    ids = listed(tmp_path, "\n".join(ENTRIES))
    assert fetch(ids, tmp_path / "raw", base_url=server.url) == Fetched(9, 0, ())
    assert there(tmp_path) == {f"{entry}.cif.gz": content for entry, content in ENTRIES.items()}
    assert server.asked == {entry: {"1ABC": 3, "2ABC": 2}.get(entry, 1) for entry in ENTRIES}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("503", "HTTP status 503"),
        ("slow", "timed out"),
        ("cut", "IncompleteRead"),
        ("page", "not a whole gzip file"),
    ],
)
def test_permanent_faults_leave_nothing_half_written(
    tmp_path: Path, server: Server, fault: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdb_download, "TIMEOUT", 0.5 if fault == "slow" else 60.0)
    monkeypatch.setattr(pdb_download, "AT_ONCE", 1)
    server.faults = {"2ABC": [fault] * 3}
    ids = listed(tmp_path, "1ABC\n2ABC\n3ABC")
    found = complaint(ids, tmp_path, server)
    assert found.startswith(f"pdb: cannot download {server.url}/2ABC.cif.gz: ")
    assert reason in found
    assert found.endswith("; start again to continue")
    assert server.asked["2ABC"] == 3
    assert "2ABC.cif.gz" not in there(tmp_path)
    assert all(name in ("1ABC.cif.gz", "3ABC.cif.gz") for name in there(tmp_path))
    assert fetch(ids, tmp_path / "raw", base_url=server.url).kept >= 1  # the next call continues
    assert there(tmp_path) == {f"{entry}.cif.gz": ENTRIES[entry] for entry in ("1ABC", "2ABC", "3ABC")}


def test_a_refused_request_is_not_repeated(tmp_path: Path, server: Server) -> None:
    server.faults = {"1ABC": ["403"]}
    assert "HTTP status 403" in complaint(listed(tmp_path, "1ABC"), tmp_path, server)
    assert server.asked["1ABC"] == 1


def test_server_that_cannot_be_reached(tmp_path: Path, server: Server) -> None:
    server.shutdown()
    server.server_close()
    assert "refused" in complaint(listed(tmp_path, "1ABC"), tmp_path, server)


def test_unknown_entries_are_listed_at_the_end(tmp_path: Path, server: Server) -> None:
    ids = listed(tmp_path, "9XYZ\n1ABC\n8XYZ\n2ABC")
    assert complaint(ids, tmp_path, server) == (
        f"pdb: {server.url} does not know 2 of the 4 entries in {ids}: 9XYZ, 8XYZ; the others are in "
        f"{tmp_path}/raw/pdb; --skip-broken accepts that"
    )
    assert sorted(there(tmp_path)) == ["1ABC.cif.gz", "2ABC.cif.gz"]
    assert fetch(ids, tmp_path / "raw", skip_broken=True, base_url=server.url) == Fetched(0, 2, ("9XYZ", "8XYZ"))


def test_a_long_list_of_unknown_entries_is_shortened(tmp_path: Path, server: Server) -> None:
    names = [f"1X{n:02d}" for n in range(30)]
    found = complaint(listed(tmp_path, "\n".join(names)), tmp_path, server)
    assert f"does not know 30 of the 30 entries in {tmp_path}/ids.txt: {', '.join(names[:20])} and 10 more;" in found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1ABC\n\n1ABCD\n", "line 3: found '1ABCD', expected a PDB id of four characters such as 1UBQ"),
        ("1ABC 2ABC", "line 1: found '1ABC 2ABC', expected a PDB id of four characters"),
        ("ABCD", "line 1: found 'ABCD'"),
        (
            "pdb_10001abc",
            "line 1: found 'pdb_10001abc', expected a PDB id of four characters such as 1UBQ (or pdb_00001ubq",
        ),
        ("../x", "line 1: found '../x'"),
        ("# nothing\n\n", "holds no ids; expected PDB ids, one per line"),
    ],
)
def test_lists_that_are_refused(tmp_path: Path, text: str, found: str) -> None:
    with pytest.raises(CareBenchError) as error:
        read_ids(listed(tmp_path, text))
    assert found in str(error.value)
    assert str(tmp_path / "ids.txt") in str(error.value)
    assert "\n" not in str(error.value)


def test_list_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CareBenchError, match=r"cannot read .*none\.txt: .*expected PDB ids"):
        read_ids(tmp_path / "none.txt")
    (tmp_path / "ids.txt").write_bytes(b"\xff\xfe1")
    with pytest.raises(CareBenchError, match=r"ids\.txt is damaged: byte 0 is not UTF-8; expected PDB ids"):
        read_ids(tmp_path / "ids.txt")


@pytest.mark.parametrize("kind", REPLACEMENTS)
@pytest.mark.parametrize("place", ["entry", "list"])
def test_what_is_not_a_regular_file_is_one_line(tmp_path: Path, server: Server, kind: str, place: str) -> None:
    ids = listed(tmp_path, "1ABC")
    path = ids if place == "list" else tmp_path / "raw/pdb/1ABC.cif.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    REPLACEMENTS[kind](path)
    assert complaint(ids, tmp_path, server).startswith(f"cannot read {path}: ")
