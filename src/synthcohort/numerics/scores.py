"""How well answers agree with the truth, for many weightings of the images at once.

Every function takes answers, truth and weights (D×N: how often each of N images counts, in each of
D draws) and returns D floats; NaN in draws in which the figure is not defined.
"""

from collections.abc import Callable

import numpy as np

Score = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
BINS = 15
CHUNK = 100


def absolute_error(answers: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The mean absolute error of N×1 answers."""
    return weights @ np.abs(answers - truth)[:, 0] / weights.sum(1)


def accuracy(answers: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The share of images whose most probable class (of N×C probabilities) is theirs."""
    return weights @ (answers.argmax(1) == truth) / weights.sum(1)


def recall(
    answers: np.ndarray, truth: np.ndarray, weights: np.ndarray, *, label: int
) -> np.ndarray:
    """The accuracy on the images of one class."""
    own = weights * (truth == label)
    count = own.sum(1)
    return own @ (answers.argmax(1) == truth) / np.where(count > 0, count, np.nan)


def balanced_accuracy(answers: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The mean recall of the classes there are."""
    return _mean_of_defined(
        [recall(answers, truth, weights, label=label) for label in np.unique(truth)]
    )


def auc(answers: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The area under the ROC curve of N scores for N truths of 0 or 1: the share of pairs in the
    right order, ties counting half."""
    order = np.argsort(answers, kind="stable")
    score, positive = answers[order], truth[order] == 1
    first = np.searchsorted(score, score[positive], "left")
    last = np.searchsorted(score, score[positive], "right")
    areas = []
    for start in range(0, len(weights), CHUNK):
        drawn = weights[start : start + CHUNK][:, order].astype(float)
        below = np.cumsum(drawn * ~positive, axis=1)
        below = np.pad(below, ((0, 0), (1, 0)))
        own = drawn[:, positive]
        won = (own * (below[:, first] + below[:, last]) / 2).sum(1)
        pairs = own.sum(1) * below[:, -1]
        areas.append(won / np.where(pairs > 0, pairs, np.nan))
    return np.concatenate(areas)


def one_against_rest(answers: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The mean area under the ROC curve of each class (of N×C answers) against all others, of the
    classes there are."""
    return over_outputs(auc, answers, np.eye(answers.shape[1], dtype=int)[truth], weights)


def calibration_error_of_one(
    answers: np.ndarray, truth: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """The expected calibration error of N probabilities for N truths of 0 or 1."""
    return calibration_error(answers, truth == 1, weights)


def calibration_error(
    probability: np.ndarray, right: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """The expected calibration error in 15 bins of equal width (Guo 2017, eq. 3)."""
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    gap = np.eye(BINS)[bins] * (right - probability)[:, None]
    return np.abs(weights @ gap).sum(1) / weights.sum(1)


def reliability(probability: np.ndarray, right: np.ndarray) -> np.ndarray:
    """3×B: the mean of N probabilities in each of ten bins of equal width that is not empty, the
    share that is right there, and how many there are (the reliability diagram of Guo 2017)."""
    bins = np.minimum((probability * 10).astype(int), 9)
    there = [bins == number for number in np.unique(bins)]
    found = [(probability[of].mean(), right[of].mean(), of.sum()) for of in there]
    return np.array(found, dtype=float).T


def over_outputs(
    score: Score, answers: np.ndarray, truth: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """The mean of a score over the columns of N×F answers and truths."""
    columns = zip(answers.T, truth.T, strict=True)
    return _mean_of_defined([score(answer, true, weights) for answer, true in columns])


def _mean_of_defined(rows: list[np.ndarray]) -> np.ndarray:
    values = np.stack(rows)
    defined = np.isfinite(values)
    count = defined.sum(0)
    return np.where(defined, values, 0).sum(0) / np.where(count > 0, count, np.nan)
