"""An environment of its own for each peer, made from the package registry by uv.

It holds the peer's library in the version that is named here and what of its dependencies this
project has not; what both need, torch above all, is this project's own, so that all contestants
compute with the same torch, and none downloads another.
"""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

PACKAGES = {
    "ours": (),
    "diffusers_course": ("diffusers==0.42.1",),
    "ddpm_pytorch": (
        "denoising-diffusion-pytorch==2.3.4",
        "ema-pytorch==0.8.3",
        "einops==0.8.2",
        "accelerate==1.15.0",
        "pytorch-fid==0.3.0",
    ),
    "monai_latent": ("monai==1.6.1", "einops==0.8.2"),
    "notebook": (),
}
"""What is installed for each contestant; nothing where this project's environment will do."""


def python_of(contestant: str, folder: Path) -> Path:
    """The interpreter that a contestant runs with, its environment made in `folder` where it is
    not there yet.

    Raises:
        CalledProcessError: a package cannot be installed; "stderr" says why.
        FileNotFoundError: there is no uv.
    """
    packages = PACKAGES[contestant]
    if not packages:
        return Path(sys.executable)
    place = folder / contestant
    python, made_of = place / "bin" / "python", place / "packages.txt"
    text = "\n".join((*packages, sysconfig.get_path("purelib"), ""))
    if not made_of.is_file() or made_of.read_text(encoding="utf-8") != text:
        shutil.rmtree(place, ignore_errors=True)
        _run("uv", "venv", "--quiet", "--python", sys.executable, str(place))
        _run("uv", "pip", "install", "--quiet", "--no-deps", "--python", str(python), *packages)
        own = next(place.glob("lib*/python*/site-packages"))
        # Behind its own packages in the order of search.
        (own / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
        made_of.write_text(text, encoding="utf-8")
    return python.absolute()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
