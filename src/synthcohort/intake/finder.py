"""The files in a folder, at any depth: each real file once, and a word about what is not taken."""

import fnmatch
import os
import sys
import unicodedata
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

from synthcohort.errors import UserError, first

# What systems leave in folders and archives, beside names that begin with a dot.
_LEFT_BY_SYSTEMS = {"__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin"}


@dataclass(frozen=True)
class Found:
    """The files that are wanted, and what else there was."""

    files: list[Path]
    """Paths that begin with the root, sorted as text, each real file once."""
    ways: dict[str, str]
    """Other paths to files that are taken, through links, each with the one that is taken; relative
    to the root, with /."""
    passed_over: dict[str, list[str]]
    """What was seen and not taken, relative to the root, by kind: a suffix such as "*.txt",
    "hidden", …"""


@dataclass(frozen=True)
class _Entry:
    path: Path
    """Relative to the root."""
    real: str
    """Where it lies when all links are resolved."""
    links: int
    """How many links lie on the way."""
    kind: str = ""
    """"" for a file, otherwise why it is none that could be taken."""


def find(
    root: Path,
    wanted: Callable[[Path], bool] | tuple[str, ...],
    *,
    besides: Iterable[Path] = (),
    told: bool = True,
) -> Found:
    """The files below the folder `root` that are wanted; links are followed, loops are not.

    `wanted` is asked for a path relative to `root`, or holds the suffixes in lower case that a name
    ends in, whatever its case. Hidden files and folders are passed over. What is passed over is
    counted in one note, unless the caller tells it itself (`told`); `besides` are files of use to
    the caller (relative to `root`, or absolute), of which the note is silent.

    Where a file can be reached by several paths, the one with the fewest links is taken.

    Raises:
        UserError: a folder cannot be listed; of the wanted files, some are links to nothing, or
            have names that no table can hold.
    """
    suffixes = wanted if isinstance(wanted, tuple) else None
    asked = wanted if suffixes is None else lambda path: path.name.lower().endswith(suffixes)
    silent = {root / path for path in besides}
    taken: dict[str, Path] = {}
    ways: dict[str, str] = {}
    dangling: list[str] = []
    passed_over: dict[str, list[str]] = {}
    for entry in sorted(_walk(root), key=lambda of: (of.links, of.path.as_posix())):
        path = root / entry.path
        name = shown(entry.path)
        if entry.kind == "links to nothing" and asked(entry.path):
            dangling.append(f"{name} → {shown(path.readlink())}")
        elif entry.kind or not asked(entry.path):
            if path not in silent:
                passed_over.setdefault(entry.kind or _kind(entry.path), []).append(name)
        elif entry.real in taken:
            ways[entry.path.as_posix()] = taken[entry.real].relative_to(root).as_posix()
            passed_over.setdefault("links to files that are taken", []).append(name)
        else:
            taken[entry.real] = path
    files = sorted(taken.values(), key=Path.as_posix)
    _check(root, files, dangling)
    if passed_over and told:
        print(f"Note: {root}: not taken: {counted(passed_over)}", file=sys.stderr, flush=True)
    return Found(files, ways, passed_over)


def fits(path: PurePath, pattern: str) -> bool:
    """Whether a relative path fits a glob pattern in which ** stands for any number of folders."""
    return _fit(path.parts, PurePosixPath(pattern).parts)


def hidden(path: PurePath) -> bool:
    """Whether a path is or lies in what users do not see: ._a.png, __MACOSX/a.png, Thumbs.db."""
    return any(part.startswith(".") or part.lower() in _LEFT_BY_SYSTEMS for part in path.parts)


def shown(path: PurePath | str) -> str:
    """A path as a message can show it: bytes that are not UTF-8 and control characters escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def counted(passed_over: dict[str, list[str]]) -> str:
    """What was passed over in words: "12 *.txt (the first is a.txt), 1 hidden (.b)"."""
    return ", ".join(
        f"{len(names)} {kind} ({names[0] if len(names) == 1 else f'the first is {names[0]}'})"
        for kind, names in sorted(passed_over.items())
    )


def nameable(path: PurePath | str) -> bool:
    """Whether a table can hold a path: text in UTF-8 without control characters."""
    return not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in str(path))


def _fit(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_fit(parts[start:], pattern[1:]) for start in range(len(parts) + 1))
    return (
        bool(parts) and fnmatch.fnmatchcase(parts[0], pattern[0]) and _fit(parts[1:], pattern[1:])
    )


def _walk(root: Path) -> Iterator[_Entry]:
    """Every entry below `root` but folders; those on the way of fewer links come first."""
    folders = deque([_Entry(Path(), os.path.realpath(root), 0)])
    followed = set()  # each link once, wherever it is met
    while folders:
        folder = folders.popleft()
        for item in _listed(root / folder.path):
            path = folder.path / item.name
            real = str(Path(folder.real, item.name))
            links = folder.links
            if hidden(PurePath(item.name)):
                yield _Entry(path, real, links, "hidden")
                continue
            if item.is_symlink():
                if real in followed:
                    continue
                followed.add(real)
                link, real, links = real, os.path.realpath(root / path), links + 1
                if kind := _untaken(link, real):
                    yield _Entry(path, real, links, kind)
                    continue
            if os.path.isdir(real):  # noqa: PTH112
                entry = _Entry(path, real, links)
                folders.append(entry) if links else folders.appendleft(entry)
            else:
                usual = os.path.isfile(real)  # noqa: PTH113
                yield _Entry(path, real, links, "" if usual else "devices or pipes")


def _untaken(link: str, real: str) -> str:
    """Why a link is not followed, "" where it is."""
    # Unlike Path's, this takes a ring of links and what may not be looked at for absent.
    if not os.path.exists(real):  # noqa: PTH110
        return "links to nothing"
    # Such a folder has all that is here below it, and the link again.
    return "links to a folder around them" if Path(link).is_relative_to(real) else ""


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as items:
            return sorted(items, key=lambda item: item.name)
    except OSError as error:
        raise UserError(
            f"{shown(folder)}: the folder cannot be listed: {error.strerror}; make it readable, or "
            "take it out"
        ) from None


def _kind(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes[-2:] if suffixes[-1:] in ([".gz"], [".bz2"], [".xz"]) else suffixes[-1:]
    return f"*{''.join(packed)}" if packed else "without a suffix"


def _check(root: Path, files: list[Path], dangling: list[str]) -> None:
    if dangling:
        raise UserError(
            f"{root}: {len(dangling)} files are links that lead to nothing, {first(dangling)}; "
            "fetch what they stand for (in a DataLad clone: datalad get .) or take the links out"
        )
    odd = [shown(path.relative_to(root)) for path in files if not nameable(path.relative_to(root))]
    if odd:
        raise UserError(
            f"{root}: {len(odd)} file names hold control characters or bytes that are not UTF-8, "
            f"{first(odd)}; no table can hold them: rename the files (convmv does it for bytes)"
        )
