"""Whether networks can be compiled here: a toy tells, before a network does with a traceback.

torch's compiler writes C or Triton and calls the machine's C compiler, for a GPU too.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

REMEDY = "install a C compiler and Python's headers (apt install gcc g++ python3-dev)"


def obstacle(device: "torch.device") -> str:
    """What keeps networks from being compiled for `device`, in one line; empty where nothing does.

    It takes seconds the first time, and less where compiled code is kept.
    """
    return _obstacle(device.type)


@lru_cache(maxsize=2)
def _obstacle(kind: str) -> str:
    import torch

    try:
        toy = torch.compile(lambda x: torch.sin(x) * 2 + x)
        toy(torch.ones(8, 8, device=kind))
        if kind == "cuda":
            torch.cuda.synchronize()
    # Whatever a compiler, a linker or a driver may say.
    except Exception as error:
        torch.compiler.reset()
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return (lines or [type(error).__name__])[0][:300]
    return ""
