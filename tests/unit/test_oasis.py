"""The source `oasis`: the zip file and the folder give the same, and what is refused."""

import io
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from synthcohort.errors import UserError
from synthcohort.sources import oasis

TOP = "keras_png_slices_data"
NAMES = [
    f"keras_png_slices_{part}/case_{case:03d}_slice_{number}.nii.png"
    for part, cases in (("train", (1, 2, 10)), ("validate", (20,)), ("test", (30, 31)))
    for case in cases
    for number in (0, 2, 10)
]


def png(seed: int) -> bytes:
    content = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (16, 16), "u1")
    PIL.Image.fromarray(pixels).save(content, "png")
    return content.getvalue()


def files() -> dict[str, bytes]:
    """All files of a stand-in: the slices, segmentations beside them and what a system adds."""
    content = {f"{TOP}/{name}": png(i) for i, name in enumerate(NAMES)}
    content[f"{TOP}/keras_png_slices_seg_train/seg_001_slice_0.nii.png"] = png(99)
    content["__MACOSX/keras_png_slices_train/._case_001_slice_0.nii.png"] = b"\0"
    return content


def zipped(path: Path, content: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.mkdir(TOP)
        for name, data in reversed(content.items()):
            archive.writestr(name, data)
    return path


def unpacked(root: Path, content: dict[str, bytes]) -> Path:
    for name, data in content.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def read(root: Path, **settings) -> list:
    return list(oasis.read(oasis.Source(root=root, **settings)))


def test_zip_and_folder_give_the_same_images(tmp_path):
    images = read(zipped(tmp_path / "data.zip", files()))
    assert [image.source_file for image in images] == [f"{TOP}/{name}" for name in NAMES]
    assert [(i.patient_id, i.slice, i.split, i.label) for i in images[8:12]] == [
        ("case_010", "10", "train", ""),
        ("case_020", "0", "val", ""),
        ("case_020", "2", "val", ""),
        ("case_020", "10", "val", ""),
    ]
    assert images[0].image_id == "case_001_slice_0" and images[-1].split == "test"
    assert {p.name for p in tmp_path.iterdir()} == {"data.zip"}
    again = read(unpacked(tmp_path / "folder", files()))
    for one, other in zip(images, again, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
        assert one.image_id == other.image_id and one.source_file == other.source_file


@pytest.mark.parametrize(("images", "cases"), [(3, 1), (5, 1), (6, 2), (8, 2), (9, 3)])
def test_fewer_training_images_are_whole_first_cases(tmp_path, images, cases):
    got = read(zipped(tmp_path / "data.zip", files()), images=images)
    train = [image.patient_id for image in got if image.split == "train"]
    assert train == [f"case_{case:03d}" for case in (1, 2, 10)[:cases] for _ in range(3)]
    assert sum(image.split != "train" for image in got) == 9


@pytest.mark.parametrize(
    ("images", "said"), [(2, "less than the 3 images of the first case"), (10, "there are 9")]
)
def test_a_number_of_images_that_cannot_be_met_is_told(tmp_path, images, said):
    with pytest.raises(UserError, match=rf"source\.images: .*{said}"):
        read(zipped(tmp_path / "data.zip", files()), images=images)


@pytest.mark.parametrize("name", ["keras_png_slices_test/brain.png", "keras_png_slices_test/x/"])
def test_a_name_that_tells_no_case_is_refused(tmp_path, name):
    content = files() | {f"{TOP}/{name}": b""}
    if name.endswith("/"):
        assert len(read(zipped(tmp_path / "data.zip", content))) == len(NAMES)
        return
    with pytest.raises(UserError, match=r"1 files are not named case_.*brain\.png"):
        read(zipped(tmp_path / "data.zip", content))


def test_an_absent_part_is_told(tmp_path):
    content = {name: data for name, data in files().items() if "validate" not in name}
    with pytest.raises(UserError, match="no images in keras_png_slices_validate"):
        read(zipped(tmp_path / "data.zip", content))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no images in keras_png_slices_train"):
        read(tmp_path / "empty")


def test_a_root_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(UserError, match=r"source\.root: .*none\.zip: there is no such file"):
        read(tmp_path / "none.zip")
    path = zipped(tmp_path / "data.zip", files())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"data\.zip: cannot be read as a zip file"):
        read(path)


def test_a_damaged_slice_is_named(tmp_path):
    path = zipped(tmp_path / "data.zip", files())
    data = png(4)
    path.write_bytes(path.read_bytes().replace(data, data[:-30] + bytes(30)))
    with pytest.raises(UserError, match=r"case_002_slice_2\.nii\.png: cannot be read: Bad CRC"):
        read(path)
    content = files() | {f"{TOP}/{NAMES[4]}": b"no image"}
    with pytest.raises(UserError, match=r"case_002_slice_2\.nii\.png: cannot be read as an image"):
        read(zipped(tmp_path / "other.zip", content))
