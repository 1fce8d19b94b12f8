"""Class numbers from the source through the shards to the export, and back."""

import numpy as np
import pytest
from exports import make, metadata, run, write_audit

from synthcohort.config import Sampling
from synthcohort.errors import UserError
from synthcohort.export.assignment import lacking as lacking_in_export
from synthcohort.samples import shards
from synthcohort.samples.plan import counts, lacking
from synthcohort.sources import medmnist


def numbered(tmp_path, names, numbers, counts=(30, 20)):
    """A finished run whose labels have class numbers of their own."""
    made = make(tmp_path / "run", names=names, counts=counts)
    for path in made.shards:
        with np.load(path) as shard:
            held = dict(shard)
        np.savez(path, **held, label_numbers=np.array(numbers))
    write_audit(tmp_path / "run", made.shards)
    return made


def test_numbers_that_are_no_places_are_kept_in_both_formats(tmp_path):
    made = numbered(tmp_path, ("normal", "odd"), [0, 300])
    folder = run(made)
    for split in ("train", "validation", "test"):
        pairs = {(row["label"], row["class"]) for row in metadata(folder / "imagefolder" / split)}
        assert pairs == {("normal", "0"), ("odd", "300")}
    with np.load(folder / "tiny.npz") as arrays:
        assert arrays["train_labels"].dtype == np.int64  # uint8 has no 300
        assert set(arrays["train_labels"][:, 0].tolist()) == {0, 300}
    assert "| 300 | odd |" in (folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("names", "numbers"), [(("normal", "abnormal"), [0, 1]), (("b", "a"), [1, 4])]
)
def test_an_exported_npz_is_read_as_it_was_written(tmp_path, names, numbers):
    folder = run(numbered(tmp_path, names, numbers))
    images = list(medmnist.read(medmnist.Source(path=folder / "tiny.npz"), None))
    assert len(images) == 50
    assert {(i.label, i.class_number) for i in images} == set(zip(names, numbers, strict=True))


def test_shards_whose_numbers_differ_are_refused(tmp_path):
    made = make(tmp_path / "run")
    with np.load(made.shards[1]) as shard:
        held = dict(shard)
    np.savez(made.shards[1], **held, label_numbers=np.array([1, 2]))
    with pytest.raises(UserError, match="come from different runs"):
        shards.describe(made.shards)


def test_a_label_that_no_exported_image_has_is_told(tmp_path, capsys):
    made = make(tmp_path / "run", names=("a", "rare"), counts=(50, 1))
    run(made)
    told = capsys.readouterr().err
    assert "the exported parts val and test have no image of the label 'rare'" in told
    sampled = shards.describe(made.shards)
    split = np.where(sampled.labels == 1, "", "train")
    (said,) = lacking_in_export(sampled, split)
    assert said.startswith("no exported image has the label 'rare'")


class Data:
    """Two train images of a, one of b; c is in test alone, b is not in it."""

    label_names = ["a", "b", "c"]  # noqa: RUF012
    classes = np.array([0, 0, 1, 0, 2])

    @staticmethod
    def of(split: str) -> np.ndarray:
        return np.arange(3) if split == "train" else np.arange(3, 5)


def test_what_sampling_leaves_open_is_told():
    train = Data.classes[Data.of("train")]
    each = counts(Sampling(images=9), Data.label_names, train)
    assert each == [6, 3, 0]
    first, second = lacking(each, Data)
    assert first.startswith("images of the label 'b' are drawn, but no real test image has it")
    assert second.startswith("sampling.images leaves no image to the label 'c'")
    assert lacking([1, 0, 1], Data)[0].startswith("sampling.images leaves no image to the label 'b")
    with pytest.raises(UserError, match="no train image has the label 'c'"):
        counts(Sampling(images={"a": 1, "c": 1}), Data.label_names, train)
