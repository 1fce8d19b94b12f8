"""NIfTI volumes that do not lie as BIDS says: the decathlon's, nnU-Net's and any folder's."""

import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from volumes import read, save, voxels

from synthcohort.errors import UserError
from synthcohort.sources import nifti

ONE = {"slices": 1, "slice_range": (0.5, 0.5)}


def lay(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        save(root, voxels(number), name)
    return root


def taken(root: Path, layout: str, **keys) -> list[tuple[str, str, str]]:
    return [
        (i.patient_id, i.split, i.source_file) for i in read(root, layout=layout, **ONE, **keys)
    ]


def decathlon(root: Path) -> Path:
    lay(root, *(f"{part}/hip_00{n}.nii.gz" for part in ("imagesTr", "labelsTr") for n in (1, 4)))
    (root / "imagesTr/._hip_001.nii.gz").write_bytes(b"\0\5\x16\7")
    return root


def nnunet(root: Path, *cases: str, channels: int = 2) -> Path:
    for case in cases or ("a_0001", "a_0002"):
        lay(root, *(f"imagesTr/{case}_{n:04d}.nii.gz" for n in range(channels)))
        lay(root, f"labelsTr/{case}.nii.gz")
    return root


def test_each_case_of_the_decathlon_is_a_patient(tmp_path, capsys):
    images = read(decathlon(tmp_path), layout="decathlon", **ONE)
    assert [(i.image_id, i.patient_id, i.split, i.label, i.source_file) for i in images] == [
        ("hip_001_z006", "hip_001", "", "", "imagesTr/hip_001.nii.gz"),
        ("hip_004_z006", "hip_004", "", "", "imagesTr/hip_004.nii.gz"),
    ]
    assert "not taken: 1 hidden (imagesTr/._hip_001.nii.gz)\n" in capsys.readouterr().err


@pytest.mark.parametrize("layout", ["decathlon", "nnunet"])
def test_a_test_part_is_the_official_one(tmp_path, layout):
    end = "_0000" if layout == "nnunet" else ""
    lay(tmp_path, f"imagesTr/a{end}.nii", f"imagesTr/b{end}.nii", f"imagesTs/c{end}.nii")
    assert taken(tmp_path, layout) == [
        ("a", "train", f"imagesTr/a{end}.nii"),
        ("b", "train", f"imagesTr/b{end}.nii"),
        ("c", "test", f"imagesTs/c{end}.nii"),
    ]
    lay(tmp_path, f"imagesTs/a{end}.nii")
    with pytest.raises(UserError, match=r"1 cases are in both imagesTr/ and imagesTs/, a"):
        taken(tmp_path, layout)


def test_one_channel_of_each_case_is_taken(tmp_path, capsys):
    nnunet(tmp_path)
    for channel in (0, 1):
        assert taken(tmp_path, "nnunet", channel=channel) == [
            (case, "", f"imagesTr/{case}_000{channel}.nii.gz") for case in ("a_0001", "a_0002")
        ]
        told = capsys.readouterr().err
        assert f"2 volumes are of other channels than 000{channel}" in told
        assert "each case counts as a patient" in told
    (tmp_path / "imagesTr/a_0002_0001.nii.gz").unlink()
    with pytest.raises(UserError, match="1 of 2 cases have no channel 0001, imagesTr/a_0002_0000"):
        taken(tmp_path, "nnunet", channel=1)


def test_a_channel_along_the_fourth_axis_is_taken(tmp_path, capsys):
    lay(tmp_path, "imagesTr/a.nii", "imagesTr/b.nii")
    expected = [image.pixels for image in read(tmp_path, layout="decathlon")]
    for number, name in enumerate("ab"):
        save(tmp_path, np.stack([voxels(9), voxels(number)], -1), f"imagesTr/{name}.nii")
    got = [image.pixels for image in read(tmp_path, layout="decathlon", channel=1)]
    np.testing.assert_array_equal(got, expected)
    assert "2 volumes with several channels, of which number 1" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"a\.nii: has 2 channels, but source\.channel is 2"):
        taken(tmp_path, "decathlon", channel=2)
    with pytest.raises(UserError, match="three dimensions"):
        taken(tmp_path, "folder", expression="(?P<patient>.+)")
    save(tmp_path, voxels(9), "imagesTr/b.nii")
    with pytest.raises(UserError, match=r"b\.nii: has 1 channel, but source\.channel is 1"):
        taken(tmp_path, "decathlon", channel=1)


@pytest.mark.parametrize("masks", [True, False])
def test_channels_never_count_as_patients(tmp_path, masks):
    nnunet(tmp_path)
    if not masks:
        for path in (tmp_path / "labelsTr").iterdir():
            path.unlink()
    with pytest.raises(UserError, match=r"named with a channel, .* set source\.layout: nnunet"):
        taken(tmp_path, "decathlon")


def test_patients_never_count_as_channels(tmp_path):
    lay(tmp_path, *(f"{part}/lung_000{n}.nii" for part in ("imagesTr", "labelsTr") for n in (0, 1)))
    assert [patient for patient, *_ in taken(tmp_path, "decathlon")] == ["lung_0000", "lung_0001"]
    with pytest.raises(UserError, match=r"the digits at the end are no channel; .* decathlon"):
        taken(tmp_path, "nnunet")
    with pytest.raises(UserError, match=r"2 volumes are not named <case>_<channel>"):
        taken(decathlon(tmp_path / "other"), "nnunet")


def test_a_path_tells_patients_with_several_cases(tmp_path, capsys):
    nnunet(tmp_path, "p1_frame01", "p1_frame12", "p2_frame01", channels=1)
    assert [p for p, *_ in taken(tmp_path, "nnunet")] == ["p1_frame01", "p1_frame12", "p2_frame01"]
    assert "each case counts as a patient" in capsys.readouterr().err
    images = read(
        tmp_path,
        layout="nnunet",
        expression=r"(?P<patient>p\d+)_(?P<session>frame\d+)",
        **ONE,
    )
    assert [(i.patient_id, i.session) for i in images] == [
        ("p1", "frame01"),
        ("p1", "frame12"),
        ("p2", "frame01"),
    ]
    assert "counts as a patient" not in capsys.readouterr().err


def test_a_pattern_leaves_cases_out(tmp_path, capsys):
    decathlon(tmp_path)
    keys = {"pattern": "**/*_001.*", "expression": r"(?P<patient>hip_001)"}
    assert [patient for patient, *_ in taken(tmp_path, "decathlon", **keys)] == ["hip_001"]
    assert "1 *.nii.gz (imagesTr/hip_004.nii.gz)" in capsys.readouterr().err


def test_a_table_adds_labels_to_cases(tmp_path):
    decathlon(tmp_path)
    (tmp_path / "list.csv").write_text(
        "file,group,age\nimagesTr/hip_001.nii.gz,AD,71\nimagesTr/hip_004.nii.gz,NC,64\n"
    )
    keys = {"table": "list.csv", "columns": {"label": "group", "attributes": ["age"]}}
    images = read(tmp_path, layout="decathlon", labels={"AD": "ill"}, **keys, **ONE)
    assert [(i.patient_id, i.label, i.attributes) for i in images] == [
        ("hip_001", "ill", {"age": 71}),
        ("hip_004", "NC", {"age": 64}),
    ]


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ({"training": [{"image": "./imagesTr/hip_001.nii.gz"}]}, "does not list 1 volumes"),
        ({"numTraining": 260}, "counts 260 cases in imagesTr/, where there are 2"),
        (
            {
                "numTraining": 9,
                "training": [{"image": f"imagesTr/hip_00{n}.nii.gz"} for n in (1, 4)],
            },
            "counts 9 cases in imagesTr/, where there are 2",
        ),
        ({"numTraining": 2, "numTest": 5}, ""),
        ({"training": [{"image": f"./imagesTr/hip_00{n}.nii.gz"} for n in (1, 4)]}, ""),
    ],
)
def test_dataset_json_is_held_against_the_volumes(tmp_path, capsys, stated, told):
    lay(tmp_path, "imagesTr/hip_001.nii.gz", "imagesTr/hip_004.nii.gz")
    (tmp_path / "dataset.json").write_text(json.dumps(stated))
    assert len(taken(tmp_path, "decathlon")) == 2
    err = capsys.readouterr().err
    assert told in err
    assert bool(told) == bool(err)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"training": [{"image": "./imagesTr/hip_007.nii.gz"}]}', "lists 1 volumes .*hip_007"),
        ('{"training": ["./imagesTr/hip_007.nii.gz"]}', "lists 1 volumes .*hip_007"),
        ('{"training": ', "not JSON in UTF-8"),
        ("[1]", "expected names and values"),
    ],
)
def test_a_faulty_dataset_json_is_told(tmp_path, text, told):
    decathlon(tmp_path)
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(UserError, match=told) as error:
        taken(tmp_path, "decathlon")
    assert "dataset.json" in str(error.value)


def test_nnunets_older_list_is_without_channels(tmp_path, capsys):
    nnunet(tmp_path)
    entries = [{"image": f"./imagesTr/a_000{n}.nii.gz"} for n in (1, 2)]
    (tmp_path / "dataset.json").write_text(json.dumps({"training": entries}))
    assert len(taken(tmp_path, "nnunet")) == 2
    assert "dataset.json" not in capsys.readouterr().err


def test_segmentations_without_a_volume_are_told(tmp_path, capsys):
    decathlon(tmp_path)
    lay(tmp_path, "labelsTr/hip_009.nii.gz")
    (tmp_path / "labelsTr/README").write_text("who drew them")
    taken(tmp_path, "decathlon")
    assert "1 segmentations are without a volume, hip_009" in capsys.readouterr().err


@pytest.mark.parametrize("layout", ["decathlon", "nnunet"])
def test_a_root_without_images_is_told(tmp_path, layout):
    lay(tmp_path, "images/a_0000.nii")
    with pytest.raises(UserError, match=r"no volumes in imagesTr/"):
        taken(tmp_path, layout)


def test_a_folder_is_described_by_paths(tmp_path, capsys):
    lay(tmp_path, "ill/p1/a.nii.gz", "well/p2/a.nii", "well/p2/b.NII", "masks/p2/a.nii")
    (tmp_path / "notes.txt").write_text("to whom it may concern")
    keys = {"pattern": "*ll/**/*", "expression": r"(?P<label>[^/]+)/(?P<patient>[^/]+)/"}
    images = read(tmp_path, layout="folder", **keys, **ONE)
    assert [(i.image_id, i.patient_id, i.label) for i in images] == [
        ("ill/p1/a_z006", "p1", "ill"),
        ("well/p2/a_z006", "p2", "well"),
        ("well/p2/b_z006", "p2", "well"),
    ]
    assert "not taken: 1 *.nii (masks/p2/a.nii), 1 *.txt (notes.txt)" in capsys.readouterr().err


def test_a_folder_is_described_by_a_table(tmp_path, capsys):
    lay(tmp_path, "a.nii.gz", "b.nii.gz", "c.nii")
    (tmp_path / "list.csv").write_text("file,who,part\n./A,x,train\nc,y,test\n")
    keys = {"table": "list.csv", "columns": {"patient": "who", "split": "part"}}
    assert taken(tmp_path, "folder", **keys) == [("x", "train", "a.nii.gz"), ("y", "test", "c.nii")]
    told = capsys.readouterr().err
    assert "1 images are not listed and left out, b.nii.gz" in told
    assert "not taken" not in told


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(UserError, match=r"no volumes match '\*\*/\*'"):
        taken(tmp_path, "folder", expression="(?P<patient>.+)")
    with pytest.raises(UserError, match=r"nowhere is not a folder"):
        taken(tmp_path / "nowhere", "folder", expression="(?P<patient>.+)")


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"expression": "(?P<patient>.+)"}, "expression is not for layout: bids"),
        ({"channel": 1}, "channel is not for layout: bids"),
        ({"labels": {"a": "b"}}, "labels is not for layout: bids"),
        ({"layout": "decathlon", "label": "group"}, "label is not for layout: decathlon"),
        ({"layout": "nnunet", "suffix": "T2w"}, "suffix is not for layout: nnunet"),
        ({"pattern": "*.nii"}, "pattern is not for layout: bids"),
        ({"layout": "folder", "suffix": "T2w", "expression": "(?P<patient>.+)"}, "suffix is not"),
        ({"layout": "folder"}, "nothing says which patient"),
        ({"layout": "nnunet", "expression": "(?P<who>.+)"}, "expected named groups"),
        ({"layout": "decathlon", "columns": {"label": "group"}}, "columns are named but no table"),
        ({"layout": "dicom"}, "'bids', 'decathlon', 'nnunet' or 'folder'"),
    ],
)
def test_settings_of_another_layout_are_refused(keys, told):
    with pytest.raises(ValidationError, match=told):
        nifti.Source(root=Path("volumes"), **keys)


@pytest.mark.parametrize("layout", ["bids", "decathlon", "nnunet"])
def test_settings_survive_being_handed_to_a_stage(layout):
    source = nifti.Source(root=Path("volumes"), layout=layout)
    assert nifti.Source.model_validate_json(source.model_dump_json()) == source
