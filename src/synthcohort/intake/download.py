"""Downloads over HTTP(S): resumed where they were cut, checked, and told where there is no network.

A transfer happens in a cache folder, not in the rule's output, which Snakemake deletes when the
rule fails. A file stays there once it is whole, so that a retry and a second system transfer
nothing.
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from synthcohort.errors import UserError
from synthcohort.files import told_when_full
from synthcohort.intake import published
from synthcohort.progress import progress

_TRIES = 5
_WAIT = 1.0  # seconds after the first failure in a row; it doubles with each
_TIMEOUT = (10, 60)  # seconds to connect, and between two pieces of the answer
_BLOCK = 2**18
_MEGABYTE = 1_000_000
# The server is busy or gone for the moment; any other fault stays the same on a second try.
_PASSING = (408, 425, 429, 500, 502, 503, 504)


def download(url: str, path: Path, *, checksum: str, otherwise: str) -> None:
    """Fetch the file at `url` into `path`, whose folder exists.

    `checksum` is "md5:" or "sha256:" with hexadecimal digits. `otherwise` says in the imperative
    where a file goes that the user fetched by hand. What has been transferred is kept in
    $XDG_CACHE_HOME/synthcohort/downloads (~/.cache by default).

    Raises:
        UserError: the server cannot be reached or has no such file, the connection is cut again and
            again, or the file has another checksum (then it is removed).
    """
    from filelock import FileLock

    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = folder / "synthcohort" / "downloads"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Whether a folder can be written, only writing tells: root may write where the mode says
        # no, and nobody may on a file system that is mounted for reading.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f"{folder}: downloads cannot be kept there: {error.strerror}; name another folder: "
            "export XDG_CACHE_HOME=…"
        ) from None
    name = PurePosixPath(urlsplit(url).path).name
    # The checksum tells files of one name apart.
    whole = folder / f"{checksum.partition(':')[2][:16]}-{name}"
    with told_when_full(whole), FileLock(f"{whole}.lock"):
        if not whole.is_file() or _checksum(whole, checksum) != checksum:
            _fetch(url, whole, checksum, otherwise)
        path.unlink(missing_ok=True)
        try:
            path.hardlink_to(whole)
        except OSError:  # another file system, or one without links
            shutil.copyfile(whole, path)


def _fetch(url: str, whole: Path, checksum: str, otherwise: str) -> None:
    part = whole.with_name(f"{whole.name}.part")
    by_hand = (
        f"Where this machine has no way to it, fetch that file ({checksum}) elsewhere and "
        f"{otherwise}."
    )
    _transfer(url, part, by_hand)
    if (found := _checksum(part, checksum)) != checksum:
        part.unlink()
        raise UserError(
            f"{url}: the file that came has {found}, expected {checksum}; it was removed. Run the "
            f"same command again; if it comes out the same, the file at this address has changed. "
            f"{by_hand}"
        )
    part.replace(whole)


def _transfer(url: str, part: Path, by_hand: str) -> None:
    """Append what is missing to `part`, with patience as long as more of it arrives."""
    import requests
    import urllib3

    failures, furthest = 0, _size(part)
    while True:
        try:
            return _go_on(url, part)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            answer = getattr(error, "response", None)
            lasting = answer is not None and answer.status_code not in _PASSING
            # Counted from the furthest byte, so that a server that always begins anew ends this.
            failures = 1 if _size(part) > furthest else failures + 1
            furthest = max(furthest, _size(part))
            if lasting or failures == _TRIES:
                raise UserError(
                    f"{url}: cannot be fetched: {error}. {by_hand} The {furthest} bytes that came "
                    "are kept; the same command goes on from there."
                ) from None
            print(f"Note: {url}: {error}; trying again", file=sys.stderr, flush=True)
            time.sleep(_WAIT * 2 ** (failures - 1))


def _go_on(url: str, part: Path) -> None:
    import requests

    start = _size(part)
    # The bytes as they lie on the server: a checksum is of the file, not of what is in it.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
        if answer.status_code == 416:
            return  # nothing comes after `start`: the file is whole, or its checksum will tell
        answer.raise_for_status()
        if answer.status_code != 206:
            start = 0  # a server without ranges sends the whole file
        length = answer.headers.get("Content-Length")
        total = max(1, round((start + int(length)) / _MEGABYTE)) if length else None
        with (
            part.open("ab" if start else "wb") as file,
            progress(f"fetching {part.stem}", total, unit="megabyte") as bar,
        ):
            # What was there before must not count as speed.
            bar.initial = bar.n = start / _MEGABYTE
            for block in answer.raw.stream(_BLOCK, decode_content=False):
                file.write(block)
                bar.update(len(block) / _MEGABYTE)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _checksum(path: Path, like: str) -> str:
    """The checksum of a file in the algorithm of another one."""
    with path.open("rb") as file:
        return published.checksum(file, like.partition(":")[0])
