"""What is worth a word about volumes that are taken all the same, told once for all of them."""

import sys
from pathlib import Path


class Remarks:
    """Collects remarks while volumes are read; `tell` says each kind once, with its volumes."""

    def __init__(self) -> None:
        self._files: dict[str, list[str]] = {}

    def add(self, path: Path, remark: str, detail: str = "") -> None:
        """`remark` is the same for all volumes it holds for; `detail` is this one's."""
        self._files.setdefault(remark, []).append(f"{path} ({detail})" if detail else str(path))

    def tell(self) -> None:
        """Print a note a kind of remark, and forget them."""
        for remark, files in self._files.items():
            one = len(files) == 1
            number = "1 volume" if one else f"{len(files)} volumes"
            which = "it is" if one else "the first is"
            print(f"Note: {number} {remark}; {which} {files[0]}", file=sys.stderr, flush=True)
        self._files.clear()
