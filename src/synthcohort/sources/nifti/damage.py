"""What is wrong with a file that is called a NIfTI volume and cannot be read as one."""

import gzip
import re
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from synthcohort.intake.lookalikes import HEAD, what

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Header

_GZIP = b"\x1f\x8b"
# The header's own size, with which NIfTI-1 and NIfTI-2 begin, in both orders of bytes.
BEGINNINGS = tuple(size.to_bytes(4, order) for size in (348, 540) for order in ("little", "big"))
HEADER = 540
"""The longest header, in bytes."""
_BLOCK = 2**20


def fault(path: Path) -> str:
    """What is wrong with a file's packing, "" where nothing is; it reads after a colon.

    A gzip file is read to its end, where its checksum stands: nobody sees damage within otherwise.
    """
    packed = path.name.lower().endswith(".gz")
    try:
        head = _head(path)
    except OSError as error:
        return error.strerror or str(error)
    if not head:
        return what(head)
    if packed and head.startswith(_GZIP):
        return _damage(path)
    if packed and head.startswith(BEGINNINGS):
        return "it is called .gz but not compressed; take .gz off its name"
    if packed:
        return what(head) or "it is called .gz but not compressed by gzip; fetch it again"
    if head.startswith(_GZIP):
        return "it is compressed by gzip but not called .gz; add .gz to its name"
    return ""


def why(paths: list[Path], reason: str) -> str:
    """Why a volume in these files cannot be read: what one is instead, or the reason in words."""
    for path in paths:
        head = _head(path)
        # The voxels of an .img may begin with anything.
        small = path.stat().st_size <= HEAD or ".img" not in path.name.lower()
        if small and not head.startswith((_GZIP, *BEGINNINGS)) and (told := what(head)):
            return told
    if cut := re.search(r"Expected (\d+) bytes, got (\d+)", reason):
        reason = (
            f"it is truncated or its header is wrong: its voxels take {cut[1]} bytes, of which "
            f"{cut[2]} are there"
        )
    elif "w2 should be positive" in reason:
        reason = "the quaternion of its qform is longer than 1, so it is no rotation"
    return f"{' '.join(reason.split())}; fetch or convert it again"


def header_fault(header: "Nifti1Header", pair: bool) -> str:
    """What a header says that cannot be, and that nibabel would mend or follow without a word."""
    place = int(header["vox_offset"])
    if not pair and place < header.sizeof_hdr:
        return (
            f"the header says that the voxels begin at byte {place}, but itself reaches to byte "
            f"{header.sizeof_hdr}"
        )
    sizes = header["pixdim"][1:4]
    if header["sform_code"] <= 0 < header["qform_code"] and (sizes == 0).any():
        told = "×".join(f"{size:g}" for size in sizes)
        return f"the header gives the voxels the size {told} (pixdim), and no sform gives another"
    return ""


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD).removeprefix(b"\xef\xbb\xbf")


def _damage(path: Path) -> str:
    try:
        with gzip.open(path) as file:
            while file.read(_BLOCK):
                pass
    except EOFError:
        return (
            f"it is truncated: its {path.stat().st_size} bytes end before the compressed volume "
            "does; fetch or convert it again"
        )
    except (OSError, zlib.error) as error:
        return f"it is damaged: {error}; fetch or convert it again"
    return ""
