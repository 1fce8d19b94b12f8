"""What the nifti source says of volumes that cannot be read, and of values it does not take."""

import gzip

import nibabel
import numpy as np
import pytest
from volumes import SHAPE, pictures, read, save, voxels

from synthcohort.errors import UserError

PACKED = "sub-01/anat/sub-01_T1w.nii.gz"


def with_value(value: float) -> np.ndarray:
    array = voxels().astype(np.float32)
    array[0, :3, 0] = value
    return array


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (with_value(np.nan), "3 of 1680 voxels are NaN or infinite"),
        (with_value(-np.inf), "3 of 1680 voxels are NaN or infinite"),
        (voxels()[0], r"three dimensions, got the shape \(14, 12\)"),
        (np.stack([voxels()] * 2, -1), r"three dimensions, got the shape \(10, 14, 12, 2\)"),
        (np.full(SHAPE, 7, np.int16), "are both 7: the volume is constant"),
        (voxels()[..., :2], "has 2 axial slices, too few for 3"),
        (voxels().astype(np.complex64), "one real number a voxel, got the type complex64"),
    ],
)
def test_bad_voxels_are_told(tmp_path, array, told):
    save(tmp_path, voxels())
    save(tmp_path, array, "sub-02/anat/sub-02_T1w.nii.gz")
    with pytest.raises(UserError, match=told) as error:
        read(tmp_path)
    assert str(tmp_path / "sub-02/anat/sub-02_T1w.nii.gz") in str(error.value)


@pytest.mark.parametrize("name", ["sub-01/anat/sub-01_T1w.nii", "sub-01/anat/sub-01_T1w.nii.gz"])
@pytest.mark.parametrize("kept", [0, 40, 0.5, 0.99])
def test_a_truncated_file_is_told(tmp_path, name, kept):
    path = save(tmp_path, voxels(), name)
    content = path.read_bytes()
    path.write_bytes(content[: kept if kept >= 1 else int(len(content) * kept)])
    with pytest.raises(UserError, match="cannot be read as a NIfTI volume") as error:
        read(tmp_path)
    assert str(path) in str(error.value)


def packed(tmp_path):
    path = save(tmp_path, voxels(), PACKED)
    return path, path.read_bytes()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "it is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9\n", "Git LFS"),
        (b"/annex/objects/MD5E-s9--4d7a.nii.gz\n", "git-annex pointer"),
        (b"<!DOCTYPE html><html><body>Please log in</body></html>", "a web page"),
        (b"\xef\xbb\xbf\r\n<html lang=en><head>", "a web page"),
        (b"PK\3\4" + bytes(60), "a zip archive"),
        (bytes(128) + b"DICM" + bytes(500), "a DICOM file"),
        (b"a web page that says: please log in" * 50, "it is text"),
        (b"\x92\x07\xff" * 300, "its first bytes|not compressed by gzip"),
    ],
)
@pytest.mark.parametrize("name", [PACKED, PACKED.removesuffix(".gz")])
def test_what_a_file_is_instead_is_told(tmp_path, name, content, told):
    path = save(tmp_path, voxels(), name)
    path.write_bytes(content)
    with pytest.raises(UserError, match=told) as error:
        read(tmp_path)
    assert str(path) in str(error.value)
    assert "truncated" not in str(error.value)


def test_a_name_that_hides_how_the_file_is_packed_is_told(tmp_path):
    path, content = packed(tmp_path)
    path.write_bytes(gzip.decompress(content))
    with pytest.raises(UserError, match=r"called \.gz but not compressed; take \.gz off"):
        read(tmp_path)
    path.unlink()
    path.with_suffix("").write_bytes(content)
    with pytest.raises(UserError, match=r"compressed by gzip but not called \.gz; add"):
        read(tmp_path)


@pytest.mark.parametrize("kept", [40, 0.5, 0.99])
def test_a_cut_file_is_told_as_one(tmp_path, kept):
    path, content = packed(tmp_path)
    path.write_bytes(content[: kept if kept >= 1 else int(len(content) * kept)])
    with pytest.raises(UserError, match="truncated: its"):
        read(tmp_path)
    # Cut first, compressed afterwards.
    path.write_bytes(gzip.compress(gzip.decompress(content)[:-100]))
    with pytest.raises(UserError, match="take 3360 bytes, of which 3260 are there"):
        read(tmp_path)


def test_damage_within_a_compressed_file_is_told(tmp_path):
    path, content = packed(tmp_path)
    for place in (len(content) // 2, -6):  # the data, and their checksum
        damaged = bytearray(content)
        damaged[place] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"it is damaged|it is truncated"):
            read(tmp_path)


@pytest.mark.parametrize("name", [PACKED, PACKED.removesuffix(".gz")])
@pytest.mark.parametrize(
    ("sides", "told"),
    [
        ((30000, 30000, 30000), r"shape \(30000, 30000, 30000\), 2.7e\+13 voxels"),
        ((-5, 14, 12), r"gives the shape \(-5, 14, 12\)"),
        ((10, 14, 40), "take 11200 bytes, of which 3360 are there"),
    ],
)
def test_a_header_with_wrong_sides_is_told(tmp_path, name, sides, told):
    path = save(tmp_path, voxels(), name)
    content = path.read_bytes()
    content = bytearray(gzip.decompress(content) if name == PACKED else content)
    content[42:48] = np.array(sides, "<i2").tobytes()
    path.write_bytes(gzip.compress(content) if name == PACKED else content)
    with pytest.raises(UserError, match=told):
        read(tmp_path)


def test_colours_are_told(tmp_path):
    colours = np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    save(tmp_path, colours)
    with pytest.raises(UserError, match="one real number a voxel, got RGB colours"):
        read(tmp_path)


@pytest.mark.parametrize("dtype", [np.float64, np.int32, np.uint32])
def test_large_values_keep_their_differences(tmp_path, dtype):
    path = save(tmp_path, voxels())
    expected = np.stack(pictures(tmp_path))
    # In 32-bit floats, the neighbours of 10⁹ are 64 apart.
    save(tmp_path, voxels().astype(dtype) + dtype(1_000_000_000))
    np.testing.assert_array_equal(np.stack(pictures(tmp_path)), expected)
    assert nibabel.load(path).get_data_dtype() == dtype


def test_values_beyond_small_floats_are_read(tmp_path):
    save(tmp_path, voxels())
    expected = np.stack(pictures(tmp_path)).astype(int)
    save(tmp_path, voxels().astype(np.float64) * 1e100)
    assert np.abs(np.stack(pictures(tmp_path)) - expected).max() <= 1


def test_a_pair_is_read_as_one_volume(tmp_path):
    save(tmp_path, voxels())
    expected = read(tmp_path)
    path = tmp_path / "sub-01/anat/sub-01_T1w.nii"
    path.unlink()
    nibabel.save(nibabel.Nifti1Pair(voxels(), np.eye(4)), path.with_suffix(".img"))
    got = read(tmp_path)
    assert [i.image_id for i in got] == [i.image_id for i in expected]
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)


@pytest.mark.parametrize("kind", [nibabel.AnalyzeImage, nibabel.Spm99AnalyzeImage])
def test_a_volume_without_orientation_is_told(tmp_path, kind):
    path = save(tmp_path, voxels()).with_suffix(".img")
    path.with_suffix(".nii").unlink()
    nibabel.save(kind(voxels(), np.eye(4)), path)
    with pytest.raises(UserError, match=r"sub-01_T1w\.img: is an Analyze 7\.5 volume, not NIfTI"):
        read(tmp_path)


@pytest.mark.parametrize(("absent", "told"), [(".hdr", "its header"), (".img", "no .img file")])
def test_half_a_pair_is_told(tmp_path, absent, told):
    path = save(tmp_path, voxels())
    path.unlink()
    nibabel.save(nibabel.Nifti1Pair(voxels(), np.eye(4)), path.with_suffix(".img"))
    path.with_suffix(absent).unlink()
    with pytest.raises(UserError, match=told):
        read(tmp_path)
    path.with_suffix(absent).write_bytes(b"")
    with pytest.raises(UserError, match="it is empty"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        (108, np.float32(0), "voxels begin at byte 0, but itself reaches to byte 348"),
        (108, np.float32(300), "voxels begin at byte 300"),
        (80, np.float32(0), "gives the voxels the size 0×1×1"),
        (88, np.float32(0), "gives the voxels the size 1×1×0"),
    ],
)
@pytest.mark.parametrize("name", [PACKED, PACKED.removesuffix(".gz")])
def test_a_header_that_cannot_be_true_is_told(tmp_path, name, place, value, told):
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    image = nibabel.Nifti1Image(voxels(), None)
    image.set_qform(np.eye(4), code=1)
    nibabel.save(image, path)
    content = bytearray(gzip.decompress(path.read_bytes()) if path == tmp_path / PACKED else b"")
    content = content or bytearray(path.read_bytes())
    content[place : place + 4] = value.tobytes()
    path.write_bytes(gzip.compress(content) if path == tmp_path / PACKED else content)
    with pytest.raises(UserError, match=told) as error:
        read(tmp_path)
    assert str(path) in str(error.value)


def test_what_is_packed_twice_is_told(tmp_path):
    path, content = packed(tmp_path)
    path.write_bytes(gzip.compress(content))
    with pytest.raises(UserError, match="inside its compression it is compressed by gzip"):
        read(tmp_path)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_what_looks_like_a_segmentation_is_told(tmp_path, capsys, dtype):
    save(tmp_path, voxels())
    assert read(tmp_path) and "segmentation" not in capsys.readouterr().err
    save(tmp_path, (voxels() // 250).astype(dtype), "sub-02/anat/sub-02_T1w.nii")
    assert len(read(tmp_path)) == 6
    told = capsys.readouterr().err
    assert "1 volume with 10 different values or fewer, as segmentations have" in told
    assert "sub-02_T1w.nii" in told
