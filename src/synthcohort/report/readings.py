"""How each measurement is read: which question it answers, which way is better, and a sentence.

A metric without an entry here still has its line in the report, in the last group.
"""

from dataclasses import dataclass

QUESTIONS = {
    "fidelity": "Fidelity: do the images look like the real ones?",
    "diversity": "Diversity: do they vary as the real ones do?",
    "utility": "Utility: do they train a model as well?",
    "conditioning": "Conditioning: does the asked label arrive?",
    "privacy": "Privacy: do they give a patient away?",
    "real_or_synthetic": "Real or synthetic: can they be told apart?",
    "other": "Further measurements",
}


@dataclass(frozen=True)
class Reading:
    """How a figure is read."""

    question: str
    """A key of QUESTIONS."""
    better: str
    """"lower", "higher", "near" (to the floor), or "" where there is no better."""
    sentence: str


OTHER = Reading("other", "", "")

READINGS = {
    "autoencoder": Reading(
        "fidelity",
        "higher",
        "How well the autoencoder gives back real images of patients it has not seen. What it "
        "loses is lost in every synthetic image.",
    ),
    "autoencoder.ssim": Reading(
        "fidelity", "higher", "The same as structural similarity; 1 is a perfect copy."
    ),
    "fid": Reading(
        "fidelity",
        "lower",
        "Distance of the two sets in Inception-v3 features. It depends on the number of images: "
        "compare it with its floor, not with other papers.",
    ),
    "fid_infinity": Reading(
        "fidelity",
        "lower",
        "FID extrapolated to infinitely many images, which takes most of the bias of small "
        "numbers away.",
    ),
    "kid": Reading(
        "fidelity",
        "lower",
        "Distance in the same features without a bias from the number of images; 0 is no "
        "difference, small negative values are chance.",
    ),
    "frechet_classifier": Reading(
        "fidelity",
        "lower",
        "Distance in the features of a classifier trained on this cohort: what tells its labels "
        "apart, and little else.",
    ),
    "frechet_clip": Reading(
        "fidelity",
        "lower",
        "Distance in the features of CLIP, a network that has seen more kinds of images than "
        "Inception-v3.",
    ),
    "frechet_statistics": Reading(
        "fidelity",
        "lower",
        "Distance in simple statistics of the images (grey values, gradients, power spectrum), "
        "which need no trained network.",
    ),
    "precision_recall": Reading(
        "fidelity",
        "higher",
        "Precision: the share of synthetic images that lie among the real ones in feature space.",
    ),
    "precision_recall.recall": Reading(
        "diversity",
        "higher",
        "The share of real images that lie among the synthetic ones in feature space; low values "
        "mean that kinds of images are missing.",
    ),
    "density_coverage": Reading(
        "fidelity",
        "higher",
        "Density: how thick the synthetic images lie around the real ones; about 1 where the two "
        "sets are alike.",
    ),
    "density_coverage.coverage": Reading(
        "diversity",
        "higher",
        "The share of real images with a synthetic image in their neighbourhood.",
    ),
    "embedding": Reading(
        "fidelity",
        "higher",
        "Among the nearest neighbours in the denoiser's own features, how often the other origin "
        "comes up, against chance (1).",
    ),
    "embedding.label_separation": Reading(
        "conditioning",
        "higher",
        "How often the nearest neighbours name the right label of a real image: whether the "
        "denoiser itself knows the labels apart.",
    ),
    "ms_ssim": Reading(
        "diversity",
        "near",
        "Mean similarity of pairs of synthetic images of one label; above its floor the images "
        "repeat each other, below it they are noise.",
    ),
    "duplicates": Reading(
        "diversity",
        "lower",
        "The share of synthetic images that are nearly the same as another one. Blur raises it, "
        "too: look at the pairs drawn.",
    ),
    "utility": Reading(
        "utility",
        "higher",
        "A classifier trained on synthetic images only, tested on real test patients; the floor "
        "is the same classifier trained on real images for as many steps.",
    ),
    "utility.both": Reading(
        "utility", "higher", "The same, trained on real and synthetic images together."
    ),
    "utility.few_and_synthetic": Reading(
        "utility",
        "higher",
        "What a user with few patients gains: trained on those and the synthetic images; the "
        "floor is those few alone.",
    ),
    "utility.number": Reading(
        "utility", "lower", "The same for a number that the images were asked for: its error."
    ),
    "label_accuracy": Reading(
        "conditioning",
        "higher",
        "How often a classifier trained on real images finds the label that was asked for; the "
        "floor is its accuracy on real test images.",
    ),
    "guidance": Reading(
        "conditioning",
        "",
        "What a stronger guidance gains in labels and costs in fidelity and diversity; the chosen "
        "scale is marked in the figure.",
    ),
    "memorised_share": Reading(
        "privacy",
        "lower",
        "Synthetic images as near to a train image as the nearest few real test images are.",
    ),
    "nearer_to_train_than_test": Reading(
        "privacy",
        "near",
        "The share of synthetic images nearer to a train image than to any of as many test "
        "images; one half is what images of strangers give.",
    ),
    "copies": Reading(
        "privacy",
        "lower",
        "The number of synthetic images whose pixels repeat a train image, shifted or mirrored, "
        "too; among as many real test images in the floor.",
    ),
    "authenticity": Reading(
        "privacy",
        "higher",
        "The share of synthetic images farther from their nearest train image than that image is "
        "from its own nearest neighbour (AuthPct).",
    ),
    "membership": Reading(
        "privacy",
        "lower",
        "How well the denoiser's loss tells its train patients from patients it has not seen; AUC "
        "0.5 is guessing, 1 gives every train patient away.",
    ),
    "reidentification": Reading(
        "privacy",
        "lower",
        "The share of synthetic images that a matcher would take for a patient before that "
        "patient's own second scan.",
    ),
    "reidentification.rank_one": Reading(
        "privacy",
        "",
        "How well patients can be told at all here: how often a real scan finds the other scan of "
        "its patient. Where it is low, the line above says little.",
    ),
    "real_or_synthetic": Reading(
        "real_or_synthetic",
        "lower",
        "How well a network tells synthetic from real images, cross-validated by patient; 0.5 is "
        "guessing and what we want, 1 means that every image gives itself away.",
    ),
    "real_or_synthetic.accuracy": Reading(
        "real_or_synthetic", "lower", "The same as the share of images told rightly."
    ),
    "observer": Reading(
        "real_or_synthetic",
        "lower",
        "How well human readers tell them; 0.5 is guessing and what we want.",
    ),
}


def reading(metric: str) -> Reading:
    """How `metric`, or `metric.detail`, is read; a detail without an entry is as its metric is."""
    return READINGS.get(metric) or READINGS.get(metric.split(".")[0], OTHER)
