"""What the source `folder` makes of labels, parts and numbers as tables and paths write them."""

import unicodedata

import pytest
from folders import read, table, write

from synthcohort.errors import UserError

COLUMNS = {"patient": "who", "label": "what"}


@pytest.fixture
def root(tmp_path):
    for i in range(3):
        write(tmp_path / f"{i}.png")
    return tmp_path


def labels(root, *cells: str, **settings) -> list[str]:
    table(root / "t.csv", "file,who,what", *(f"{i}.png,p{i},{c}" for i, c in enumerate(cells)))
    return [image.label for image in read(root, table="t.csv", columns=COLUMNS, **settings)]


@pytest.mark.parametrize("cell", ["", "NA", "nan", "None", "n/a", "-", "NULL"])
def test_a_label_that_is_not_known_is_told_by_its_line(root, cell):
    with pytest.raises(UserError) as error:
        labels(root, "AD", cell, "NC")
    has = f" has {cell!r}" if cell else ""
    assert f"t.csv: 1 images have an empty label, line 3: 1.png{has};" in str(error.value)


def test_a_patient_that_is_not_known_is_told_by_its_line(root):
    table(root / "t.csv", "file,who", "0.png,p", "1.png,NaN", "2.png,NaN")
    with pytest.raises(
        UserError, match=r"2 images have an empty patient, line 3: 1\.png has 'NaN'"
    ):
        read(root, table="t.csv", columns={"patient": "who"})
    write(root / "NA" / "3.png")
    with pytest.raises(UserError, match=r"1 images have an empty patient, NA/3\.png has 'NA'"):
        read(root, pattern="*/*", expression="(?P<patient>[^/]+)/")


def test_a_class_of_that_name_is_told_by_another(root):
    assert labels(root, "none", "AD", "None", labels={"none": "healthy"}) == [
        "healthy",
        "AD",
        "healthy",
    ]


@pytest.mark.parametrize(
    ("cells", "names", "found"),
    [
        (("007", "8", "8"), {"7": "seven"}, ["seven", "8", "8"]),
        (("1.0", "0.0", "1.0"), {"1": "ill", "0": "well"}, ["ill", "well", "ill"]),
        (("ad", "AD ", "nc"), {"AD": "ill"}, ["ill", "ill", "nc"]),
        (("a", "A", "b"), {"a": "small", "A": "large"}, ["small", "large", "b"]),
    ],
)
def test_labels_are_renamed_however_they_are_written(root, cells, names, found):
    assert labels(root, *cells, labels=names) == found


def test_parts_that_are_not_known_are_empty(root):
    table(root / "t.csv", "file,who,part", "0.png,a,1", "1.png,b,NA", "2.png,c,2")
    columns = {"patient": "who", "split": "part"}
    images = read(root, table="t.csv", columns=columns, splits={"1": "train", "2": "test"})
    assert [image.split for image in images] == ["train", "", "test"]


def test_true_and_false_are_1_and_0(root):
    table(root / "t.csv", "file,who,mass", "0.png,a,True", "1.png,b,false", "2.png,c,0")
    columns = {"patient": "who", "attributes": ["mass"]}
    images = read(root, table="t.csv", columns=columns)
    assert [image.attributes for image in images] == [{"mass": 1}, {"mass": 0}, {"mass": 0}]
    table(root / "t.csv", "file,who,mass", "0.png,a,yes", "1.png,b,1", "2.png,c,0")
    with pytest.raises(UserError, match=r"line 2: '0\.png' has 'yes' as 'mass': expected a number"):
        read(root, table="t.csv", columns=columns)


def test_an_expression_fits_a_path_in_another_unicode_form(root):
    write(root / unicodedata.normalize("NFD", "Müller") / "0.png")
    (image,) = read(
        root,
        pattern="*/*",
        expression=unicodedata.normalize("NFC", r"(?P<patient>Müller)/(?P<session>\d)"),
    )
    assert unicodedata.normalize("NFC", image.patient_id) == "Müller" and image.session == "0"


def test_new_names_that_contradict_are_told_where_they_are_needed(root):
    names = {"t": "small", "T": "large"}
    assert labels(root, "t", "T", "T", labels=names) == ["small", "large", "large"]
    with pytest.raises(UserError, match=r"source\.labels: the label '“T”' may be any of 't', 'T'"):
        labels(root, "t", "T", "“T”", labels=names)
    assert labels(root, "t", "T", "“T”", labels=names | {"T": "small"}) == ["small"] * 3


@pytest.mark.parametrize(
    ("cells", "names", "numbers"),
    [
        (("0", "1", "0"), {"0": "normal", "1": "abnormal"}, [0, 1, 0]),
        (("10", "2.0", "02"), {"2": "b", "10": "a"}, [10, 2, 2]),
        (("0", "1", "2"), {"1": "b"}, [0, 1, 2]),
        (("0", "1", "2"), {"1": "b", "2": "b"}, [None] * 3),
        (("0", "1", "0"), {"0": "b", "1": "B"}, [None] * 3),
        (("-1", "1", "1"), {"-1": "b", "1": "a"}, [None] * 3),
        (("x", "1", "1"), {"x": "b", "1": "a"}, [None] * 3),
        (("0", "1", "2"), {}, [None] * 3),  # the labels themselves tell
    ],
)
def test_numbers_that_get_names_stay_the_class_numbers(root, cells, names, numbers):
    table(root / "t.csv", "file,who,what", *(f"{i}.png,p{i},{c}" for i, c in enumerate(cells)))
    images = read(root, table="t.csv", columns=COLUMNS, labels=names)
    assert [image.class_number for image in images] == numbers
