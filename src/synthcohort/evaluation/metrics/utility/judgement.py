"""What a training is worth: its figures with their intervals, and whether they tell anything."""

from collections.abc import Mapping
from functools import partial

import numpy as np

from synthcohort.evaluation.metrics.utility.tasks import scores
from synthcohort.evaluation.metrics.utility.training import Bench
from synthcohort.numerics.resampling import interval_of_share, percentile_interval
from synthcohort.numerics.scores import Score, absolute_error, recall


def judged(
    bench: Bench, answers: list[np.ndarray], truth: np.ndarray, weights: np.ndarray
) -> tuple[dict, np.ndarray]:
    """The figures of one training's repetitions, and the bootstrap draws of the main one."""

    def over_seeds(score: Score, w: np.ndarray) -> np.ndarray:
        return np.mean([score(said, truth, w) for said in answers], axis=0)

    def figure(score: Score) -> dict:
        value = over_seeds(score, np.ones((1, len(truth))))[0]
        if not np.isfinite(value):  # not defined: a class that no test image has
            return {"value": None, "interval": None}
        draws = over_seeds(score, weights)
        if score is absolute_error:
            return {"value": float(value), "interval": percentile_interval(draws)}
        return {"value": float(value), "interval": interval_of_share(value, draws, cases)}

    cases = len(set(bench.data.patients[bench.test]))
    of_task = scores(bench.task)
    main = of_task.pop("value")
    once = np.ones((1, len(truth)))
    found = figure(main) | {name: figure(score) for name, score in of_task.items()}
    found["by_seed"] = [float(main(said, truth, once)[0]) for said in answers]
    if bench.task.kind == "label":
        found["recall"] = {
            name: figure(partial(recall, label=label))
            for label, name in enumerate(bench.task.names)
        }
    return found, over_seeds(main, weights)


def plain(figure: Mapping) -> dict:
    return {key: figure[key] for key in ("value", "interval")}


def difference(
    first: str, second: str, by_name: Mapping[str, dict], drawn: Mapping[str, np.ndarray]
) -> dict:
    """`first` less `second`, with the interval of the difference on the same test patients."""
    return {
        "value": by_name[first]["value"] - by_name[second]["value"],
        "interval": percentile_interval(drawn[first] - drawn[second]),
    }


def chance(bench: Bench) -> float:
    """What an answer that does not look at the image reaches."""
    if bench.task.kind == "label":
        return 1 / len(np.unique(bench.task.real[bench.test]))
    if bench.task.kind == "findings":
        return 0.5
    mean = bench.task.real[bench.train].mean()
    return float(np.abs(bench.task.real[bench.test] - mean).mean())


def cannot_tell(bench: Bench, details: Mapping) -> str | None:
    """Why nothing can be told, in one sentence: all real images do not teach the task either."""
    (low, high), guessed = details["all_real"]["interval"], details["chance"]
    if low > guessed if bench.task.better == "higher" else high < guessed:
        return None
    return (
        "A network trained on all real train images does the task no better than guessing "
        f"({bench.task.measure} {details['all_real']['value']:.3g}, 95 % interval {low:.3g} to "
        f"{high:.3g}; guessing gives {guessed:.3g}), so nothing can be said of synthetic ones."
    )
