"""Names of classes in an npz, in the settings, and where the two contradict."""

import numpy as np
import pytest
from test_medmnist import COUNTS, arrays, read, told, write


def named(*names: str, numbers=None) -> dict[str, np.ndarray]:
    stored = {"label_names": np.array(names)}
    return stored if numbers is None else stored | {"label_numbers": np.array(numbers)}


def test_names_and_numbers_travel_in_the_file(tmp_path):
    made = arrays() | named("well", "ill", numbers=[0, 3])
    made |= {f"{split}_labels": made[f"{split}_labels"] * 3 for split in COUNTS}
    images = read(write(tmp_path / "own.npz", made))
    numbers = [image.class_number for image in images]
    assert numbers == [n for s in COUNTS for n in made[f"{s}_labels"][:, 0].tolist()]
    assert [image.label for image in images] == [{0: "well", 3: "ill"}[n] for n in numbers]
    assert {image.class_number for image in read(tmp_path / "own.npz")} == {0, 3}


def test_names_of_findings_travel_in_the_file(tmp_path):
    images = read(write(tmp_path / "own.npz", arrays(columns=2) | named("mass", "nodule")))
    assert list(images[0].attributes) == ["mass", "nodule"]
    assert {(image.label, image.class_number) for image in images} == {("", None)}


@pytest.mark.parametrize(
    ("stored", "settings", "said"),
    [
        (named("well", "ill"), {"labels": ("ill", "well")}, "but source.labels {0: 'ill', 1: 'w"),
        (
            named("well", "well"),
            {},
            "label_names and label_numbers are ['well', 'well'] and [0, 1]",
        ),
        (named("well", "ill", numbers=[0]), {}, "and [0]; expected a name and a number"),
        (named("well", "ill", numbers=[0, 7]), {}, "expected whole numbers among [0, 7]"),
    ],
)
def test_names_that_contradict_are_told(tmp_path, stored, settings, said):
    labels = {f"{s}_labels": np.arange(n)[:, None] % 2 for s, n in COUNTS.items()}
    assert said in told(tmp_path, arrays() | labels | stored, **settings)


def test_a_name_that_no_image_has_is_told(tmp_path, capsys):
    made = arrays()
    for split, count in COUNTS.items():  # as who counts from 1 writes them
        made[f"{split}_labels"] = np.arange(count)[:, None] % 2 + 1
    read(write(tmp_path / "own.npz", made), labels=("normal", "benign", "malignant"))
    assert (
        "no image has the class 'normal' (0); class numbers begin with 0" in capsys.readouterr().err
    )
