"""What stands for patients, images and files wherever a record is kept: codes from a keyed hash.

The key is made once, by `secrets`, and lies in a folder that no stage exports. Whoever has it can
tell whether a code is that of a known id; nobody can read an id from a code. Beside the key lies a
table of which file a code stands for, for the one who has to mend it.
"""

import csv
import hmac
import re
import secrets
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from synthcohort.errors import UserError, first
from synthcohort.files import atomic_file
from synthcohort.intake import finder

KEY = "dicom.key"
_DIGITS = 16  # of 16 values each: among a million patients two share a code once in 37 million runs

Faults = Mapping[tuple[str, str], Sequence[str]]
"""What is wrong, and the way out → the paths of the files concerned."""


class Pseudonyms:
    """Codes under the key in `folder`, which is made where there is none, and messages in which
    they stand in place of ids.

    Raises:
        UserError: the file of the key holds something else.
    """

    def __init__(self, folder: Path, root: Path) -> None:
        self._key = _key(folder)
        self._root = root
        self._identifiers: set[str] = set()
        self._rows: set[tuple[str, str]] = set()
        self.index = folder / f"{self.code('R', str(root.resolve()))}.csv"

    def code(self, kind: str, of: str) -> str:
        """The code of an id or a path; `kind` is its first letter: P(atient), I(mage), V(olume),
        F(ile)."""
        text = f"{kind}:{of}".encode(errors="surrogateescape")
        return kind + hmac.new(self._key, text, "sha256").hexdigest()[:_DIGITS]

    def learn(self, identifiers: Iterable[str]) -> None:
        """Texts that messages must not show: ids, names, dates."""
        self._identifiers |= {bare for text in identifiers if (bare := _bare(text))}

    def shown(self, path: str) -> str:
        """A path as a message shows it: a part with an identifier is left out, and the file's code
        added."""
        parts = PurePosixPath(path).parts
        clean = ["…" if self._identifies(part) else finder.shown(part) for part in parts]
        told = "/".join(clean)
        return told if "…" not in clean else f"{told} [{self.code('F', path)}]"

    def note(self, what: str, files: Sequence[str]) -> None:
        """Tell on stderr what was done with some files."""
        named = _counted([self.shown(file) for file in files])
        print(f"Note: {self._root}: {what}: {named}", file=sys.stderr, flush=True)

    def error(self, faults: Faults) -> UserError:
        """All faults in one message, which shows paths; the record of it has codes only."""
        told = [
            f"{self._root}: {_line(fault, [self.shown(file) for file in files])}"
            for fault, files in faults.items()
        ]
        if "…" in "".join(told):
            told.append(f"Which file a code in brackets stands for, {self.index} tells.")
        recorded = [
            _line(fault, [self.code("F", file) for file in files])
            for fault, files in faults.items()
        ]
        return UserError("\n".join(told), "\n".join(recorded))

    def keep(self, rows: Iterable[tuple[str, str]]) -> None:
        """Add to the table which code stands for which path, relative to the root."""
        self._rows |= set(rows)
        with (
            atomic_file(self.index) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            temporary.chmod(0o600)
            table = csv.writer(file, lineterminator="\n")
            table.writerow(["code", "path"])
            table.writerows(sorted(self._rows))

    def _identifies(self, part: str) -> bool:
        words = {_bare(word) for word in re.split(r"[\W_]+", part)}
        # Of files that cannot be read nobody knows the ids, but these have a form of their own.
        if re.search(r"\d+(\.\d+){4}|(19|20)\d\d([-._]?)[01]\d\3[0-3]\d", part):
            return True
        bare = _bare(part)
        # A short one would be found in any text; it counts where it stands alone.
        return any(i in words or (len(i) >= 4 and i in bare) for i in self._identifiers)


def _line(fault: tuple[str, str], files: Sequence[str]) -> str:
    what, way = fault
    return f"{_counted(files)}: {what}; {way}"


def _counted(files: Sequence[str]) -> str:
    return f"{len(files)} {'file' if len(files) == 1 else 'files'}, {first(files)}"


def _bare(text: str) -> str:
    """Letters and digits only, so that MEIER^HANS and 2024.01.31 are found in folders' names."""
    return re.sub(r"[\W_]+", "", text).casefold()


def _key(folder: Path) -> bytes:
    from filelock import FileLock

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / KEY
    with FileLock(f"{path}.lock"):  # two systems may begin at once
        if not path.exists():
            with atomic_file(path) as temporary:
                temporary.touch(mode=0o600)
                temporary.write_text(secrets.token_hex(32) + "\n", encoding="ascii")
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise UserError(
            f"{path}: expected the key of the pseudonyms, 64 hexadecimal digits; put back the file "
            "that was there, or remove it: then a new key is made, and all pseudonyms change"
        )
    return bytes.fromhex(text)
