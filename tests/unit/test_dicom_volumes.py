"""DICOM series as volumes: orientation, planes, order, gaps, and enhanced multi-frame objects."""

import itertools
from pathlib import Path

import nibabel
import numpy as np
import pytest
from dicoms import as_nifti, dataset, read, save, series, uid
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from synthcohort.errors import UserError
from synthcohort.sources import nifti

SHAPE = (10, 14, 12)
AFFINE = np.array([[1.0, 0, 0, -30], [0, 2, 0, 12], [0, 0, 1.5, 7], [0, 0, 0, 1]])


def voxels(seed: int = 0, shape: tuple = SHAPE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 1000, shape).astype(np.int16)


def pictures(root: Path, **keys) -> np.ndarray:
    return np.stack([image.pixels for image in read(root, **keys)])


def expected(folder: Path, array: np.ndarray, affine: np.ndarray, plane: str) -> np.ndarray:
    root = as_nifti(folder, array, affine)
    settings = nifti.Source(root=root, plane=plane, slices=3, slice_range=(0, 1))
    return np.stack([image.pixels for image in nifti.read(settings, None)])


def close(one: np.ndarray, other: np.ndarray) -> None:
    assert one.shape == other.shape
    assert np.abs(one.astype(int) - other).max() <= 1


ORDERS = [
    (axes, flips)
    for axes in itertools.permutations(range(3))
    for flips in itertools.product((1, -1), repeat=3)
]


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_slices_are_those_of_the_same_volume_in_nifti(tmp_path, plane):
    right = expected(tmp_path / "bids", voxels(), AFFINE, plane)
    image = nibabel.Nifti1Image(voxels(), AFFINE)
    for number, (axes, flips) in enumerate(ORDERS if plane == "axial" else ORDERS[::7]):
        turned = image.as_reoriented(np.array(list(zip(axes, flips, strict=True))))
        root = tmp_path / f"dicom-{number}"
        series(root, np.asarray(turned.dataobj), turned.affine)
        close(pictures(root, plane=plane), right)


@pytest.mark.parametrize("degrees", [(20, 0, 0), (0, -15, 10), (7, 12, -30)])
def test_an_oblique_series_is_shown_along_its_nearest_axes(tmp_path, degrees):
    turn = nibabel.eulerangles.euler2mat(*np.deg2rad(degrees))
    affine = AFFINE.copy()
    affine[:3, :3] = turn @ AFFINE[:3, :3]
    series(tmp_path / "dicom", voxels(), affine)
    close(pictures(tmp_path / "dicom"), expected(tmp_path / "bids", voxels(), affine, "axial"))


def test_a_bright_spot_lies_where_the_patient_has_it(tmp_path):
    # Towards the patient's left, posterior and superior: right, below and last in an axial slice.
    array = np.zeros(SHAPE, np.int16)
    array[8, 11, 10] = 100
    lps = np.diag([-1.0, -1, 1, 1])  # to RAS: columns run to the left, rows to posterior
    series(tmp_path / "dicom", array, lps)
    keys = {"slices": SHAPE[2], "percentiles": (0, 100)}
    lit = [image for image in read(tmp_path / "dicom", **keys) if image.pixels.any()]
    assert [image.slice for image in lit] == ["10"]
    assert np.argwhere(lit[0].pixels).tolist() == [[11, 8]]


def enhanced(array: np.ndarray, affine: np.ndarray, order: list[int]) -> Dataset:
    """An enhanced MR object whose frames come in that order, with what they share apart."""
    lps = np.diag([-1.0, -1, 1, 1]) @ affine
    sizes = np.linalg.norm(lps[:3, :3], axis=0)

    def item(**values) -> Dataset:
        of = Dataset()
        for keyword, value in values.items():
            setattr(of, keyword, value)
        return of

    def sequence(**values) -> Sequence:
        return Sequence([item(**values)])

    of = dataset(
        np.ascontiguousarray(array[:, :, order].transpose(2, 1, 0)),
        Modality="MR",
        SOPClassUID="1.2.840.10008.5.1.4.1.1.4.1",
    )
    of.SharedFunctionalGroupsSequence = sequence(
        PixelMeasuresSequence=sequence(PixelSpacing=[sizes[1], sizes[0]]),
        PlaneOrientationSequence=sequence(
            ImageOrientationPatient=[*(lps[:3, 0] / sizes[0]), *(lps[:3, 1] / sizes[1])]
        ),
        PixelValueTransformationSequence=sequence(
            RescaleSlope=2, RescaleIntercept=-5, RescaleType="US"
        ),
    )
    of.PerFrameFunctionalGroupsSequence = Sequence(
        item(PlanePositionSequence=sequence(ImagePositionPatient=list(lps[:3, :] @ [0, 0, k, 1])))
        for k in order
    )
    return of


def test_the_frames_of_an_enhanced_object_are_a_volume(tmp_path):
    order = np.random.default_rng(1).permutation(SHAPE[2]).tolist()
    save(enhanced(voxels(), AFFINE, order), tmp_path / "dicom" / "one")
    right = expected(tmp_path / "bids", voxels(), AFFINE, "axial")
    close(pictures(tmp_path / "dicom"), right)


def test_an_enhanced_object_without_positions_is_refused(tmp_path):
    of = enhanced(voxels(), AFFINE, list(range(SHAPE[2])))
    del of.PerFrameFunctionalGroupsSequence[3].PlanePositionSequence
    save(of, tmp_path / "dicom" / "one")
    with pytest.raises(UserError, match="does not say where it lies: Image Position"):
        read(tmp_path / "dicom")


@pytest.mark.parametrize(
    ("leave_out", "told"),
    [((5,), "in 1 of 10 places: .*about 1, where"), ((3, 4, 8), "in 2 of 8 places: .*about 3,")],
)
def test_missing_slices_are_refused(tmp_path, leave_out, told):
    series(tmp_path / "dicom", voxels(), AFFINE, leave_out=leave_out)
    with pytest.raises(UserError, match=told):
        read(tmp_path / "dicom")


def move(path: Path, along: np.ndarray | list) -> None:
    from pydicom import dcmread

    of = dcmread(path)
    of.ImagePositionPatient = list(np.array(of.ImagePositionPatient, float) + along)
    of.save_as(path)


@pytest.mark.parametrize(
    ("along", "told"),
    [
        ([0, 0, 0.3], "lie between 1.2 and 1.8 mm apart"),
        ([0, 0, -1.5], "lie in the same place"),
        ([3, 0, 0], "do not lie straight behind one another"),
    ],
)
def test_a_slice_out_of_place_is_refused(tmp_path, along, told):
    paths = series(tmp_path / "dicom", voxels(), AFFINE)
    move(paths[6], along)
    with pytest.raises(UserError, match=told):
        read(tmp_path / "dicom")


def test_slightly_uneven_slices_are_told(tmp_path, capsys):
    paths = series(tmp_path / "dicom", voxels(), AFFINE)
    move(paths[6], [0, 0, 0.03])
    assert len(read(tmp_path / "dicom")) == 3
    assert "slices lie unevenly, by up to 2.0% of their distance: 1 file" in capsys.readouterr().err


def test_a_tilted_gantry_gives_slices_in_its_own_plane_only(tmp_path):
    affine = AFFINE.copy()
    affine[1, 2] = 0.4  # each slice lies further to anterior than the one below
    series(tmp_path / "dicom", voxels(), affine)
    straight = expected(tmp_path / "bids", voxels(), AFFINE, "axial")
    close(pictures(tmp_path / "dicom"), straight)
    with pytest.raises(UserError, match=r"\(a tilted gantry\) in the axial plane.*plane: axial"):
        read(tmp_path / "dicom", plane="coronal")


@pytest.mark.parametrize(
    "tags",
    [
        [{"EchoTime": 5}, {"EchoTime": 80}],
        [{"TemporalPositionIdentifier": i} for i in (1, 2, 3)],
        [{"ImageType": ["ORIGINAL", "PRIMARY", kind, "ND"]} for kind in "MP"],
        [{"AcquisitionNumber": 1}, {"AcquisitionNumber": 2}],
    ],
)
def test_what_lies_in_one_place_is_a_volume_each(tmp_path, tags):
    for i, of in enumerate(tags):
        series(tmp_path / "dicom", voxels(i), AFFINE, name=f"part{i}", **of)
    images = read(tmp_path / "dicom")
    assert len(images) == 3 * len(tags) and len({image.patient_id for image in images}) == 1
    found = {image.pixels.tobytes() for image in images}
    for i in range(len(tags)):
        right = expected(tmp_path / f"bids-{i}", voxels(i), AFFINE, "axial")
        assert sum(picture.tobytes() in found for picture in right) >= 2  # rounding apart


def test_what_nothing_tells_apart_is_refused(tmp_path):
    for i in range(2):
        series(tmp_path / "dicom", voxels(i), AFFINE, name=f"part{i}")
    with pytest.raises(UserError, match="lie in the same place, and neither echo, time"):
        read(tmp_path / "dicom")


def test_series_and_orientations_are_volumes_of_their_own(tmp_path):
    turned = nibabel.Nifti1Image(voxels(), AFFINE).as_reoriented(np.array([[1, 1], [2, 1], [0, 1]]))
    series(tmp_path / "dicom", voxels(), AFFINE, name="a")
    series(tmp_path / "dicom", np.asarray(turned.dataobj), turned.affine, name="b")
    other = {"SeriesInstanceUID": uid("another"), "SeriesDescription": "T2 tra"}
    series(tmp_path / "dicom", voxels(1), AFFINE, name="c", **other)
    assert len(read(tmp_path / "dicom")) == 9
    assert len(read(tmp_path / "dicom", series="(?i)t2")) == 3


def test_too_few_slices_are_told_with_the_file(tmp_path):
    series(tmp_path / "dicom", voxels(shape=(8, 8, 5)), AFFINE)
    match = r"(?s)too few for 6 different.*V\w{16} has volume-\d"
    with pytest.raises(UserError, match=match) as told:
        read(tmp_path / "dicom", slices=6)
    assert "volume-" not in told.value.recorded
