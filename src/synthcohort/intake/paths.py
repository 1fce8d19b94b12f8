"""Image files as tables name them: found where the name is another way of writing the path."""

import difflib
import os
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from synthcohort.intake import ids


class Files:
    """The files below a root, to be found by what a table calls them."""

    def __init__(self, root: Path, files: Sequence[str]) -> None:
        """`files` are paths relative to `root`, with /."""
        self._roots = root.absolute(), root.resolve()
        self._exact = set(files)
        self._levels = [
            (form, _index(files, lambda file, form=form, name=name: form(name(file))))
            for form in (_composed, _caseless)
            for name in (str, _without_suffix)
        ]
        self._last = _index(files, lambda file: _caseless(_stem(file)))

    def named(self, name: str) -> list[str]:
        """The files that `name` is the path of: as it stands or, where there is none, relative to
        the root in another notation (./a, a\\b, an absolute path, NFC for NFD), without its suffix,
        or in another case. Several where that is ambiguous."""
        if name in self._exact:
            return [name]
        path = self._relative(name)
        return next((found for form, at in self._levels if (found := at.get(form(path)))), [])

    def below(self, name: str) -> list[str]:
        """The files at any depth whose path ends in `name`, which may be without its suffix."""
        tail = f"/{_caseless(self._relative(name))}"
        return [
            file
            for file in self._of_last(name)
            if any(f"/{_caseless(of)}".endswith(tail) for of in (file, _without_suffix(file)))
        ]

    def near(self, name: str) -> str:
        """The file that nearly has this name, in brackets; empty where none does."""
        close = self._of_last(name)
        if not close:
            last = _caseless(_stem(self._relative(unquote(name))))
            some = list(self._last)[:10_000]
            # Written otherwise (7 for 007), or else alike.
            like = [of for of in some if ids.key(of) == ids.key(last)][:1]
            like = like or difflib.get_close_matches(last, some, n=1, cutoff=0.8)
            close = [file for key in like for file in self._last[key]]
        return f" (there is {close[0]!r})" if close else ""

    def _of_last(self, name: str) -> list[str]:
        """The files with the same last part, with or without a suffix, whatever that is."""
        last = self._relative(name)
        keys = dict.fromkeys((_caseless(PurePosixPath(last).name), _caseless(_stem(last))))
        return [file for key in keys for file in self._last.get(key, [])]

    def _relative(self, name: str) -> str:
        """`name` with /, and relative to the root where it lies below it."""
        path = name.replace("\\", "/")
        for root in self._roots:
            whole = Path(os.path.normpath(root / path))
            if whole.is_relative_to(root):
                return whole.relative_to(root).as_posix()
        return path


def _index(files: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for file in files:
        found.setdefault(key(file), []).append(file)
    return found


def _composed(path: str) -> str:
    return unicodedata.normalize("NFC", path)


def _caseless(path: str) -> str:
    return _composed(_composed(path).casefold())


def _without_suffix(path: str) -> str:
    return str(_packed(path).with_suffix(""))


def _stem(path: str) -> str:
    return _packed(path).stem


def _packed(path: str) -> PurePosixPath:
    """A path without the .gz of a packed volume: .nii.gz is one suffix."""
    volume = path.lower().endswith((".nii.gz", ".img.gz"))
    return PurePosixPath(path[: -len(".gz")] if volume else path)
