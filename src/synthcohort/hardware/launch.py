"""A stage in several processes on one machine, by torch's own launcher."""

from collections.abc import Sequence

from synthcohort.errors import UserError


def launch(processes: int, arguments: Sequence[str]) -> None:
    """Run `synthcohort` with `arguments` as `processes` processes, one a GPU, and wait for them.

    Raises:
        UserError: one of them failed, which ends the others; its own message comes before.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import get_args_parser, run

    options = ["--standalone", f"--nproc-per-node={processes}", "--max-restarts=0"]
    asked = get_args_parser().parse_args([*options, "-m", "synthcohort", *arguments])
    try:
        run(asked)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        died = f"was killed by signal {-failure.exitcode}" if failure.exitcode < 0 else "failed"
        raise UserError(
            f"process {rank} of {processes} {died}; what it said is above. Run the same command "
            "again: it goes on from what has been saved"
        ) from None
    except SignalException as error:
        raise UserError(f"stopped: it was sent {error.sigval.name}") from None
