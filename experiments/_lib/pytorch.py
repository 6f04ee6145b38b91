"""PyTorch as the experiments run it."""

from contextlib import contextmanager

import numpy as np


@contextmanager
def one_thread():
    """
    Compute with one thread, and with subnormal numbers taken as zeros.

    With them, gradients that vanish would take ten times as long. Both hold for the whole
    thread of the processor, also outside PyTorch, where some functions of SciPy give NaN
    without subnormal numbers. So both are as before after the block, which may be part of
    another one.
    """
    import torch

    n_threads = torch.get_num_threads()
    was_flushed = bool(np.float64(2e-308) / 10 == 0)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(was_flushed)
        torch.set_num_threads(n_threads)
