"""Downloads against a server on this machine that behaves well, badly or not at all."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from synthcohort.errors import UserError
from synthcohort.intake import download as downloads

CONTENT = np.random.default_rng(0).bytes(3_000_000)
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
CUT = 1_000_000


class Server(ThreadingHTTPServer):
    """Serves CONTENT at every path; `asked` lists the ranges that were asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []
        self.cuts = 0
        """How many answers break off after CUT bytes."""
        self.busy = 0
        """How many answers are "503 service unavailable"."""
        self.ranges = True
        self.encoding = ""
        self.url = f"http://127.0.0.1:{self.server_address[1]}/data.npz?download=1"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server, asked = self.server, self.headers["Range"]
        server.asked.append(asked)
        if server.busy:
            server.busy -= 1
            return self.send_error(503)
        if self.path.startswith("/absent"):
            return self.send_error(404)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.ranges else 0
        if start and start >= len(CONTENT):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        if server.encoding:
            self.send_header("Content-Encoding", server.encoding)
        self.end_headers()
        cut = server.cuts > 0
        server.cuts -= 1
        self.wfile.write(CONTENT[start : start + CUT] if cut else CONTENT[start:])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(downloads, "_WAIT", 0)
    with Server() as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield served
        served.shutdown()


def fetch(server: Server, path: Path, checksum: str = MD5, url: str = "") -> Path:
    downloads.download(
        url or server.url, path, checksum=checksum, otherwise="name it as source.root"
    )
    return path


def cached(tmp_path: Path, ending: str) -> list[Path]:
    return list((tmp_path / "cache/synthcohort/downloads").glob(f"*{ending}"))


@pytest.mark.parametrize("checksum", [MD5, SHA256])
def test_a_file_comes_whole_and_only_once(server, tmp_path, checksum):
    assert fetch(server, tmp_path / "a.npz", checksum).read_bytes() == CONTENT
    assert fetch(server, tmp_path / "b.npz", checksum).read_bytes() == CONTENT
    assert server.asked == [None]


def test_a_cut_connection_goes_on_where_it_stopped(server, tmp_path, capsys):
    server.cuts = 2
    assert fetch(server, tmp_path / "a.npz").read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={CUT}-", f"bytes={2 * CUT}-"]
    assert "trying again" in capsys.readouterr().err


def test_what_came_outlives_a_failed_run(server, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "_TRIES", 1)
    server.cuts = 1
    with pytest.raises(UserError, match=f"The {CUT} bytes that came are kept"):
        fetch(server, tmp_path / "a.npz")
    assert not (tmp_path / "a.npz").exists() and cached(tmp_path, ".part")
    assert fetch(server, tmp_path / "a.npz").read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={CUT}-"]


def test_a_server_without_ranges_begins_anew(server, tmp_path):
    server.ranges, server.cuts = False, 1
    assert fetch(server, tmp_path / "a.npz").read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={CUT}-"]


def test_a_server_that_always_breaks_off_ends_the_patience(server, tmp_path):
    server.ranges, server.cuts = False, 100
    with pytest.raises(UserError, match="cannot be fetched"):
        fetch(server, tmp_path / "a.npz")
    assert len(server.asked) == downloads._TRIES


def test_a_transfer_that_was_whole_but_unchecked_is_taken(server, tmp_path):
    fetch(server, tmp_path / "a.npz")
    (whole,) = cached(tmp_path, ".npz")
    whole.rename(f"{whole}.part")
    assert fetch(server, tmp_path / "b.npz").read_bytes() == CONTENT
    assert server.asked[1:] == [f"bytes={len(CONTENT)}-"]


def test_a_busy_server_is_asked_again(server, tmp_path):
    server.busy = 2
    assert fetch(server, tmp_path / "a.npz").read_bytes() == CONTENT


def test_bytes_are_kept_as_they_lie_on_the_server(server, tmp_path):
    """Some servers declare a .gz file as an encoding, which a client would undo."""
    server.encoding = "gzip"
    assert fetch(server, tmp_path / "a.npz").read_bytes() == CONTENT


def test_a_wrong_checksum_is_told_and_the_file_removed(server, tmp_path):
    with pytest.raises(UserError, match=f"has {MD5}, expected md5:00") as error:
        fetch(server, tmp_path / "a.npz", "md5:" + 32 * "0")
    assert "it was removed" in str(error.value)
    assert not cached(tmp_path, ".npz") and not cached(tmp_path, ".part")
    assert not (tmp_path / "a.npz").exists()


def test_a_kept_file_that_was_changed_is_fetched_anew(server, tmp_path):
    fetch(server, tmp_path / "a.npz")
    (whole,) = cached(tmp_path, ".npz")
    whole.write_bytes(b"changed")
    assert fetch(server, tmp_path / "b.npz").read_bytes() == CONTENT


def test_an_absent_file_is_told_at_once(server, tmp_path):
    url = server.url.replace("data.npz", "absent.npz")
    with pytest.raises(UserError, match="404") as error:
        fetch(server, tmp_path / "a.npz", url=url)
    assert url in str(error.value) and len(server.asked) == 1


def test_a_refused_connection_says_what_to_fetch_and_where_to_put_it(server, tmp_path):
    server.server_close()
    with pytest.raises(UserError) as error:
        fetch(server, tmp_path / "a.npz")
    for words in (server.url, MD5, "no way to it", "name it as source.root"):
        assert words in str(error.value)


def test_a_cache_that_cannot_be_written_is_told(server, tmp_path):
    (tmp_path / "cache").write_text("not a folder")
    with pytest.raises(UserError, match="XDG_CACHE_HOME"):
        fetch(server, tmp_path / "a.npz")


def test_a_cache_that_is_there_but_takes_no_file_is_told(server, tmp_path):
    """Under /proc not even root, for whom no mode forbids anything, can write a file."""
    (tmp_path / "cache/synthcohort").mkdir(parents=True)
    (tmp_path / "cache/synthcohort/downloads").symlink_to("/proc")
    with pytest.raises(UserError, match=r"downloads cannot be kept there.*XDG_CACHE_HOME"):
        fetch(server, tmp_path / "a.npz")
    assert server.asked == []
