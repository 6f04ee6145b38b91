"""Node processes that training treats in a way of their own."""

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
