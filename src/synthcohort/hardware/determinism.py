"""The same bits again on the same GPU."""

import os


def deterministic() -> None:
    """Have torch, cuDNN, cuBLAS and the compiler take only what gives the same bits every time, in
    this process from now on; an operation that cannot raises a RuntimeError that names it.

    cuBLAS and the compiler read their variables at first use, so this comes before any network.
    """
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    os.environ["TORCHINDUCTOR_DETERMINISTIC"] = "1"
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True)
