"""What is known of the figures: their order in the table, how they are read, what may be a gate."""

import pytest

from synthcohort import config
from synthcohort.errors import UserError
from synthcohort.evaluation import metrics
from synthcohort.evaluation.draw import captions
from synthcohort.measures import QUESTIONS
from synthcohort.results import registry

ORDER = """
autoencoder autoencoder.ssim fid.autoencoder frechet_classifier.autoencoder
fid fid_infinity kid precision_recall precision_recall.recall
density_coverage density_coverage.coverage frechet_classifier frechet_clip frechet_dinov2
frechet_statistics ms_ssim vendi duplicates embedding embedding.classifier_mixing
embedding.label_separation real_or_synthetic real_or_synthetic.against_decoded
real_or_synthetic.accuracy utility utility.auc utility.both utility.few_and_synthetic
utility.number subgroups label_accuracy label_accuracy.auc guidance observer observer.sensitivity
observer.specificity copies memorised_share nearer_to_train_than_test hits_per_patient
authenticity membership membership.exposed membership.exposed_at_1_percent over_training
reidentification reidentification.rank_one training_seeds training_seeds.frechet_classifier
training_seeds.recall training_seeds.membership
"""


def test_the_table_has_its_order():
    assert list(registry.measures()) == ORDER.split()
    places = [measure.place for measure in registry.measures().values()]
    assert places == sorted(set(places))
    assert registry.place("fid") < registry.place("copies") < registry.place("nobody_knows")


def test_every_figure_says_how_it_is_read():
    for name, measure in registry.measures().items():
        assert measure.title and measure.sentence.endswith("."), name
        assert measure.question in QUESTIONS and measure.question != "other", name
        assert measure.better in ("lower", "higher", "near", ""), name


def test_every_metric_says_all_of_its_own_figures_and_no_others():
    for name in metrics.names():
        module = metrics.module(name)
        said = {measure.name for measure in module.MEASURES}
        assert name in said and {one.split(".")[0] for one in said} == {name}
        assert captions()[name] == module.CAPTION and module.CAPTION.strip()


@pytest.mark.parametrize(
    ("name", "question", "title"),
    [
        ("fid", "fidelity", "FID"),
        ("precision_recall.recall", "diversity", "Recall"),
        ("membership.other", "privacy", "membership.other"),
        ("nobody_knows", "other", "nobody_knows"),
    ],
)
def test_what_is_not_known_is_read_as_its_metric_or_comes_with_the_rest(name, question, title):
    assert registry.reading(name).question == question and registry.title(name) == title


def gated(*names: str) -> config.Audit:
    return config.Audit(gates={name: {"at_most": 1} for name in names})


def test_a_gate_on_what_nothing_measures_is_told_with_what_there_is():
    registry.check_gates(config.Audit())
    registry.check_gates(gated("fid", "autoencoder.ssim", "real_or_synthetic.accuracy", "copies"))
    with pytest.raises(UserError) as told:
        registry.check_gates(gated("fid", "fidd"))
    said = str(told.value)
    assert "configuration: audit.gates: no figure 'fidd'; there are copies, memorised_share" in said
    assert "reidentification.rank_one" in said
    # These are not among the results that the audit is given.
    for name in ("observer", "guidance", "fid.accuracy"):
        with pytest.raises(UserError, match=f"no figure '{name}'"):
            registry.check_gates(gated(name))
