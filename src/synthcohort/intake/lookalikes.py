"""What a file is that cannot be read as what its name says: a pointer, a web page, an archive."""

import re
from pathlib import Path

# Enough for what stands at a fixed place, such as NIfTI's magic in byte 344.
HEAD = 512
_UNPACK = "unpack it and give what is in it"
_AS_PICTURE = "give it a name that says so, or take it out"
_BEGINS = (
    (
        rb"version https://git-lfs",
        "it is a Git LFS pointer, not the file; fetch the content: git lfs pull",
    ),
    (
        rb"(\.\./|\.git|/)*/?annex/objects/",
        "it is a git-annex pointer, not the file; fetch the content: datalad get, or git annex get",
    ),
    (
        rb"(?i)\s*(<!--.*-->\s*)?<(!doctype html|html|head|body)",
        "it is a web page (HTML), as a server sends it in a file's place; fetch the file again, "
        "signed in where that is asked for",
    ),
    (rb"(?i)\s*<(\?xml|svg|!doctype svg)", "it is XML or SVG text; export it as PNG or TIFF"),
    (rb"PK\x03\x04|PK\x05\x06", f"it is a zip archive; {_UNPACK}"),
    (rb"\x1f\x8b", f"it is compressed by gzip; {_UNPACK}"),
    (rb"BZh|\xfd7zXZ|7z\xbc\xaf|Rar!|\x28\xb5\x2f\xfd", f"it is an archive; {_UNPACK}"),
    (rb".{257}ustar", f"it is a tar archive; {_UNPACK}"),
    (rb"%PDF", "it is a PDF document; take the pictures out of it"),
    (rb".{128}DICM", "it is a DICOM file; give its folder to the source `dicom`"),
    (rb".{344}n[+i]1\0", "it is a NIfTI volume; give its folder to the source `nifti`"),
    (rb"\x89HDF", "it is an HDF5 file; export what it holds"),
    (rb"\x93NUMPY", "it is one array of numpy (npy); save it in the format asked for"),
    (
        rb"\x80[\x02-\x05][\x95(}\]c]",
        "it is a pickle of Python, which can run programs when it is read; save it in the format "
        "asked for",
    ),
    (rb"....ftyp(heic|heix|mif1|msf1|avif)", "it is a HEIC or AVIF picture; convert it to PNG"),
    (rb"....ftyp", "it is a film (MP4 or MOV); save the frames that are meant as PNG"),
    (rb"8BPS", "it is a Photoshop file; export it as PNG or TIFF"),
    (rb"%!PS", "it is PostScript; export it as PNG or TIFF"),
    (rb"\x89PNG", f"it is a PNG picture; {_AS_PICTURE}"),
    (rb"\xff\xd8\xff", f"it is a JPEG picture; {_AS_PICTURE}"),
    (rb"II\*\0|MM\0\*|II\+\0|MM\0\+", f"it is a TIFF picture; {_AS_PICTURE}"),
    (rb"\0+$", "it holds nothing but zeros, as a copy does that was cut off; fetch it again"),
)


def what(head: bytes) -> str:
    """What the first `HEAD` bytes of a file tell of it and what to do, "" where they tell nothing.

    It reads after a colon: "it is a zip archive; unpack it and give what is in it".
    """
    if not head:
        return "it is empty; fetch it again, or leave it out"
    if told := kind(head):
        return told
    text = head.decode(errors="replace")
    # The last character may be cut.
    if "\ufffd" not in text[:-1] and all(c.isprintable() or c.isspace() for c in text[:-1]):
        return "it is text; check what it says, then fetch the file again, or leave it out"
    return ""


def kind(head: bytes) -> str:
    """The same, but nothing of an empty file and of plain text."""
    return next((told for begins, told in _BEGINS if re.match(begins, head, re.DOTALL)), "")


def why(path: Path, error: Exception, begins: bytes) -> str:
    """Why a file cannot be read whose kind begins with `begins`: what it is instead, or the fault.

    It reads after a colon, as `what` does.
    """
    if path.is_symlink() and not path.exists():
        return (
            f"it is a link that leads to nothing ({path.readlink()}); fetch what it stands for (in "
            "a DataLad clone: datalad get .)"
        )
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    with path.open("rb") as file:
        head = file.read(HEAD)
    otherwise = f"{error or type(error).__name__}; it is damaged or truncated: fetch it again"
    return otherwise if head.startswith(begins) and head else what(head) or otherwise
