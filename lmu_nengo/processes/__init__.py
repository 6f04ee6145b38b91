"""Node processes: whole sequences, dropout and noise, functions of tensors."""

from lmu_nengo.processes.regularization import Dropout, GaussianNoise
from lmu_nengo.processes.sequence import Only, Reverse, Sequence
from lmu_nengo.processes.tensor_function import TensorFunction

__all__ = [
    "Dropout",
    "GaussianNoise",
    "Only",
    "Reverse",
    "Sequence",
    "TensorFunction",
]
