"""Downloads of torchvision's data sets, from a server on this machine."""

from __future__ import annotations

import functools
import socket
import threading
import urllib.request
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torchvision.datasets.utils
from torchvision import datasets

from care_bench.data import prepare
from care_bench.data.preparing import originals
from tests.data import formats
from tests.data.formats import failure, tree

pytestmark = pytest.mark.usefixtures("read_in_threads")

URLOPEN = urllib.request.urlopen


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "raw"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that a local server serves, and from which every data set is downloaded."""
    folder = tmp_path / "server"
    folder.mkdir()
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(folder))
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    monkeypatch.setenv("no_proxy", "*")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, args=[0.01], daemon=True).start()
        url = f"http://127.0.0.1:{httpd.server_port}/"
        for reader in (datasets.CIFAR10, datasets.CIFAR100, datasets.STL10):
            monkeypatch.setattr(reader, "url", url + reader.filename)
        monkeypatch.setattr(formats.flowers102, "PAGE", url)
        monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [url])
        yield folder
        httpd.shutdown()


def serve(name: str, raw: Path, server: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Move the files of a data set to the server, and return them as they will be in the folder of raw data."""
    if name in formats.ARCHIVES:
        formats.pack(monkeypatch, name, raw)
    monkeypatch.setattr(urllib.request, "urlopen", URLOPEN)
    files = tree(raw)
    for path, content in files.items():
        (server / Path(path).name).write_bytes(content)
        (raw / path).unlink()
    return files


@pytest.mark.parametrize("name", sorted(formats.COUNTS))
def test_download(
    tmp_path: Path,
    raw: Path,
    server: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    formats.written_set(monkeypatch, name, raw)
    prepare(name, tmp_path / "whole", raw)
    files = serve(name, raw, server, monkeypatch)
    prepare(name, tmp_path / "store", raw)
    assert tree(tmp_path / "store") == tree(tmp_path / "whole")
    assert tree(raw) == files
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", sorted(formats.COUNTS))
@pytest.mark.parametrize("answer", ["another file", "nothing"])
def test_a_download_with_another_checksum_is_refused(
    tmp_path: Path, raw: Path, server: Path, monkeypatch: pytest.MonkeyPatch, name: str, answer: str
) -> None:
    formats.written_set(monkeypatch, name, raw)
    serve(name, raw, server, monkeypatch)
    for path in server.iterdir():
        path.write_text("<html>please log in</html>") if answer == "another file" else path.unlink()
    found = failure(name, tmp_path)
    assert "downloading http://127.0.0.1:" in found
    assert ("File not found or corrupted" if answer == "another file" else "404") in found
    assert tree(raw) == {}


def test_a_failed_download_leaves_no_empty_folders(tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    formats.cut_network(monkeypatch)
    for name in formats.COUNTS:
        failure(name, tmp_path)
        assert not raw.exists()


def test_the_rest_of_a_killed_download_is_replaced(
    tmp_path: Path, raw: Path, server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    formats.written_set(monkeypatch, "flowers102", raw)
    files = serve("flowers102", raw, server, monkeypatch)
    raw.joinpath("flowers-102").mkdir(exist_ok=True)
    raw.joinpath("flowers-102/.102flowers.tgz.part").write_bytes(b"half")
    prepare("flowers102", tmp_path / "store", raw)
    assert tree(raw) == files


def test_interrupted_download_leaves_nothing(
    tmp_path: Path, raw: Path, server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    formats.written_set(monkeypatch, "cifar10", raw)
    files = serve("cifar10", raw, server, monkeypatch)

    def stop(url: str, filename: str, *_: object) -> None:
        Path(filename).write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(torchvision.datasets.utils, "_urlretrieve", stop)
        with pytest.raises(KeyboardInterrupt):
            prepare("cifar10", tmp_path / "store", raw)
    assert tree(raw) == {}
    prepare("cifar10", tmp_path / "store", raw)
    assert tree(raw) == files


def test_a_server_that_stops_sending_is_one_line(tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", URLOPEN)
    monkeypatch.setattr(originals, "TIMEOUT", 0.2)
    monkeypatch.setenv("no_proxy", "*")
    before = socket.getdefaulttimeout()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        monkeypatch.setattr(datasets.CIFAR10, "url", url)
        assert f"downloading {url} failed: timed out;" in failure("cifar10", tmp_path)
    assert socket.getdefaulttimeout() == before


def test_file_in_the_place_of_the_raw_folder(tmp_path: Path, raw: Path, server: Path) -> None:
    raw.write_text("mine")
    assert f"cifar10: cannot read {raw}/cifar-10-batches-py/data_batch_1: Not a directory" in failure(
        "cifar10", tmp_path
    )
    assert raw.read_text() == "mine"
