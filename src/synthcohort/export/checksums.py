"""SHA256SUMS: what `sha256sum -c SHA256SUMS` checks in the exported folder."""

from pathlib import Path

from synthcohort.files import sha256


def write(folder: Path) -> None:
    """Write `folder`/SHA256SUMS over all other files in `folder`, sorted by path."""
    names = sorted(
        file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()
    )
    lines = [f"{sha256(folder / name)}  {name}\n" for name in names]
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")
