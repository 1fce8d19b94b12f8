"""The sample stage: a part of the shards, drawn by one process with the models loaded once.

How many parts there are is a matter of hardware, a shard what can be lost: beside each lies what it
was made of, so a part that is run again makes only the shards that are missing, damaged or made of
something else.
"""

import os
from pathlib import Path

from synthcohort.config import Sampling
from synthcohort.files import digest, read_json, sha256, write_json
from synthcohort.hardware import Hardware
from synthcohort.samples.listing import shard_path, write_part
from synthcohort.samples.plan import of_part
from synthcohort.tracking.journal import Journal


def sample(
    settings: Sampling,
    *,
    seed: int,
    part: int,
    parts: int,
    cohort: Path,
    split: Path,
    autoencoder: Path,
    diffusion: Path,
    out: Path,
    hardware: Hardware,
    journal: Journal,
) -> None:
    """Draw the shards of part 0 … `parts` − 1 that are not there, and then list the part in `out`,
    beside which they lie.

    One of several processes (LOCAL_RANK and LOCAL_WORLD_SIZE, as torchrun sets them) draws its
    share of them and lists nothing: whoever started it does.
    """
    mine = of_part(settings, part, parts)
    made_of = _made_of(settings, seed, cohort, split, autoencoder, diffusion)
    rank = int(os.environ.get("LOCAL_RANK", 0))
    size = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    paths = {shard: shard_path(out.parent, shard) for shard in mine[rank::size]}
    missing = [shard for shard, path in paths.items() if not _whole(path, made_of)]
    if missing:
        from synthcohort.samples.sampler import Sampler

        models = {"autoencoder": autoencoder, "diffusion": diffusion}
        place = {"cohort": cohort, "split": split, **models}
        sampler = Sampler(settings, seed=seed, hardware=hardware, shards=len(missing), **place)
        drawn = 0
        for shard in missing:
            record = _record(paths[shard])
            record.unlink(missing_ok=True)
            drawn += sampler.write(shard, paths[shard])
            write_json(record, {"made_of": made_of, "sha256": sha256(paths[shard])})
            journal.metric(drawn, shard=shard)
    if "LOCAL_RANK" not in os.environ:
        write_part(out, mine)
        journal.result(shards=len(mine))


def _made_of(settings: Sampling, seed: int, cohort: Path, split: Path, *models: Path) -> str:
    weights = [path for model in models for path in sorted(model.rglob("*")) if path.is_file()]
    files = [split, cohort / "manifest.csv", *weights]
    return digest([settings.model_dump(mode="json"), seed, [sha256(path) for path in files]])


def _whole(path: Path, made_of: str) -> bool:
    record = _record(path)
    if not (path.is_file() and record.is_file()):
        return False
    return read_json(record) == {"made_of": made_of, "sha256": sha256(path)}


def _record(path: Path) -> Path:
    return path.with_suffix(".json")
