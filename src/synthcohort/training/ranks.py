"""The processes that train together, and the part of each batch that falls to one of them.

How a batch is cut is a matter of hardware and must not be seen in the result: every random number
of a step is drawn for the whole batch by every process, which then takes its own rows.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from synthcohort.errors import UserError
from synthcohort.training.stopping import Stopped

_PATIENCE = timedelta(minutes=30)
"""How long a process waits for the others, such as for the first one's checkpoint."""
_FAREWELL = 20.0
"""Seconds for the end of what was begun together with a process that has gone."""


@dataclass(frozen=True)
class Part:
    """The images start…stop−1 of a batch of `of`."""

    start: int
    stop: int
    of: int

    @property
    def rows(self) -> slice:
        return slice(self.start, self.stop)

    @property
    def share(self) -> float:
        return (self.stop - self.start) / self.of


@dataclass
class Ranks:
    """This process among the `size` that train together; alone where nothing else is said."""

    rank: int = 0
    size: int = 1
    _wrapped: list[DistributedDataParallel] = field(default_factory=list)

    @property
    def first(self) -> bool:
        """Whether this is the process that writes: checkpoints, journal, model."""
        return self.rank == 0

    def parts(self, batch: int, micro_batch: int) -> list[Part]:
        """The rows of a batch that are this process's, in parts of `micro_batch` (0: all at once).

        Raises:
            UserError: there are fewer images than processes.
        """
        if batch < self.size:
            raise UserError(
                f"a batch of {batch} images cannot be shared by {self.size} processes; raise "
                "batch of this stage, or give --processes (on a cluster: gpu) a smaller number"
            )
        start, stop = (k * batch // self.size for k in (self.rank, self.rank + 1))
        length = micro_batch or batch
        return [Part(a, min(a + length, stop), batch) for a in range(start, stop, length)]

    def wrap(self, module: nn.Module) -> nn.Module:
        """`module`, its gradients averaged over the processes in every backward pass."""
        if self.size == 1:
            return module
        device = next(module.parameters()).device
        wrapped = DistributedDataParallel(module, [device] if device.type == "cuda" else None)
        self._wrapped.append(wrapped)
        return wrapped

    @contextmanager
    def averaging(self, now: bool) -> Iterator[None]:
        """Average the gradients of the block's passes, or (`now` false) let them add up first."""
        with ExitStack() as stack:
            if not now:
                for module in self._wrapped:
                    stack.enter_context(module.no_sync())
            yield

    def sum(self, values: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Scalars summed over the processes; never waits for a GPU."""
        if self.size == 1:
            return values
        summed = torch.stack([value.float() for value in values.values()])
        distributed.all_reduce(summed)
        return dict(zip(values, summed, strict=True))

    def any(self, flag: bool) -> bool:
        """Whether any process says so; at the same step on all of them."""
        if self.size == 1:
            return flag
        told = torch.tensor(int(flag))  # on the CPU, by gloo: it leaves a GPU's queue alone
        distributed.all_reduce(told, distributed.ReduceOp.MAX)
        return bool(told)

    def wait(self) -> None:
        """Until all processes are here."""
        self.any(False)


@contextmanager
def joined(device: torch.device) -> Iterator[Ranks]:
    """This process among those that torchrun started (its WORLD_SIZE and RANK), or alone.

    Where the training is stopped, or a process has gone, all but the first leave the block without
    an error: torchrun ends every process as soon as one has failed, and the first is to have the
    time for the end of its journal. One that failed by itself raises what it failed of.

    Raises:
        UserError: another process has gone; in the first process only.
    """
    size, rank = (int(os.environ.get(key, k)) for key, k in (("WORLD_SIZE", 1), ("RANK", 0)))
    if size == 1:
        yield Ranks()
        return
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group(backend, timeout=_PATIENCE)
    together = False
    try:
        yield Ranks(rank, size)
        together = True
    except Stopped:
        together = True
        if rank == 0:
            raise
    except RuntimeError as error:
        if not _gone(error):
            raise
        told = UserError(
            f"process {rank} of {size}: another process has gone, and the training with it; its "
            "own message says why. Run the same command again: it goes on from the last checkpoint"
        )
        if rank == 0:
            raise told from error
        print(told, file=sys.stderr)
    finally:
        _part(together)


def _part(together: bool) -> None:
    """Leave the other processes. Where this was not agreed on, NCCL may wait for ever for work that
    another one has left undone: it is told to give up, and nobody waits for that either."""
    if together:
        distributed.destroy_process_group()
        return
    giving_up = threading.Thread(target=_give_up, daemon=True)
    giving_up.start()
    giving_up.join(_FAREWELL)


def _give_up() -> None:
    with suppress(Exception):  # gloo has nothing to give up: its connections break by themselves
        distributed.distributed_c10d._abort_process_group()
    with suppress(Exception):
        if distributed.is_initialized():
            distributed.destroy_process_group()


def _gone(error: RuntimeError) -> bool:
    told = str(error).lower()
    return isinstance(error, distributed.DistError) or "gloo" in told or "connection" in told
