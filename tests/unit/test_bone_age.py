"""The source `bone_age`: sex, age and picture of every hand, and what is refused."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from synthcohort.errors import UserError
from synthcohort.sources import bone_age

SET = "boneage-training-dataset"
HEADER = "id,boneage,male"
LINES = [HEADER, "1377,180,False", "1378,12,False", "4360,94.5,True"]
SHAPES = {"1377": (30, 20), "1378": (16, 25), "4360": (40, 31)}


def cohort(root: Path, lines: list[str] = LINES, folder: str = SET) -> Path:
    (root / folder).mkdir(parents=True)
    for name, shape in SHAPES.items():
        pixels = np.random.default_rng(int(name)).integers(0, 255, shape, "u1")
        PIL.Image.fromarray(pixels).save(root / folder / f"{name}.png")
    (root / f"{SET}.csv").write_text("\n".join(lines) + "\n")
    return root


def read(root: Path) -> list:
    return list(bone_age.read(bone_age.Source(root=root)))


@pytest.mark.parametrize("folder", [SET, f"{SET}/{SET}"])
def test_every_hand_has_its_sex_age_and_picture(tmp_path, capsys, folder):
    images = read(cohort(tmp_path, folder=folder))
    assert [(i.image_id, i.patient_id, i.label, dict(i.attributes)) for i in images] == [
        ("1377", "1377", "female", {"age_months": 180.0}),
        ("1378", "1378", "female", {"age_months": 12.0}),
        ("4360", "4360", "male", {"age_months": 94.5}),
    ]
    assert {i.image_id: i.pixels.shape for i in images} == SHAPES
    assert images[0].source_file == f"{folder}/1377.png" and images[0].split == ""
    assert capsys.readouterr().err == ""


def test_the_test_set_without_ages_is_left_out_aloud(tmp_path, capsys):
    cohort(tmp_path)
    (tmp_path / "boneage-test-dataset").mkdir()
    (tmp_path / "boneage-test-dataset/4460.png").write_bytes(b"")
    assert len(read(tmp_path)) == 3
    assert "boneage-test-dataset is left out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["id,age,male", "1377,180,False"], "no column 'boneage'; the columns are 'id', 'age'"),
        ([HEADER], "has no rows"),
        ([*LINES, "15000,90,True"], r"1 ids have no image <id>\.png in .*, 15000"),
        (LINES[:-1], r"1 images have no row in boneage-training-dataset\.csv, 4360"),
        ([*LINES[:-1], "4360,,True"], "line 4: boneage is ''; expected months"),
        ([*LINES[:-1], "4360,-3,True"], "line 4: boneage is '-3'"),
        ([*LINES[:-1], "4360,nan,True"], "line 4: boneage is 'nan'"),
        ([*LINES[:-1], "4360,94,m"], "line 4: male is 'm'; expected True or False"),
        ([*LINES, "4360,94,True"], "line 5: the id '4360' is there before"),
        ([*LINES, ",94,True"], "line 5: the id '' is empty"),
    ],
)
def test_a_faulty_table_is_told(tmp_path, lines, said):
    with pytest.raises(UserError, match=said):
        read(cohort(tmp_path, lines))


def test_an_absent_folder_table_or_images_are_told(tmp_path):
    with pytest.raises(UserError, match=r"source\.root: .*nowhere is not a folder"):
        read(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"dataset\.csv: there is no such file"):
        read(tmp_path)
    (tmp_path / f"{SET}.csv").write_text("\n".join(LINES))
    with pytest.raises(UserError, match=f"{SET}: no images; expected"):
        read(tmp_path)


def test_an_unreadable_image_and_a_second_one_of_an_id_are_told(tmp_path):
    cohort(tmp_path)
    path = tmp_path / SET / "1378.png"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"1378\.png: cannot be read as an image"):
        read(tmp_path)
    (tmp_path / SET / "more").mkdir()
    (tmp_path / SET / "more/1378.png").write_bytes(whole)
    with pytest.raises(UserError, match=r"there is another 1378\.png"):
        read(tmp_path)
