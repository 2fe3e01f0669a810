"""The device to run on; there is no torch in here until it is asked for."""

import os

from sstrack_mm.errors import DataError


def choose_device(name: str | None) -> str:
    """The device of this process: the one that was asked for, if it is there.

    Args:
        name: As PyTorch names it; None for a GPU if there is one, else the CPU.

    Raises:
        DataError: It cannot be used.
    """
    import torch

    if name is None:
        if not torch.cuda.is_available():
            return 'cpu'
        return f'cuda:{os.environ.get("LOCAL_RANK", 0)}'
    try:
        torch.ones(1, device=name).cpu()  # `meta` has no numbers
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f'device {name} cannot be used here: {reason} (it is cpu, cuda, cuda:1 ...)'
        ) from None
    return name
