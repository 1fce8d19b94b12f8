"""What goes along unseen in files that open: `verify` finds it, whatever the checksums say."""

import zipfile

import pytest
from exports import make, run
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from synthcohort.export import checksums
from synthcohort.export.verify import verify


@pytest.fixture
def folder(tmp_path):
    return run(make(tmp_path / "run"))


@pytest.mark.parametrize("hidden", ["text", "frame", "tail"])
def test_what_hides_in_an_image_is_found(folder, hidden):
    path = min(folder.glob("imagefolder/train/*/*.png"))
    image, told = Image.open(path), PngInfo()
    if hidden == "text":
        told.add_text("Patient", "John Doe")
        image.save(path, pnginfo=told)
    elif hidden == "frame":
        image.save(path, save_all=True, append_images=[image.rotate(90)])
    else:
        path.write_bytes(path.read_bytes() + b"John Doe")
    checksums.write(folder)
    assert "holds more than an image" in "".join(verify(folder)[1])


def test_an_npz_whose_members_are_no_arrays_is_told(folder):
    (path,) = folder.glob("*.npz")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("train_labels.npy", "garbage")
    checksums.write(folder)
    assert path.name in "".join(verify(folder)[1])
