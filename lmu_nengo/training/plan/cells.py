"""What the operator of a cell that feeds back needs to know of the cell."""

from collections.abc import Callable
from dataclasses import dataclass

import nengo
import numpy as np

from lmu_nengo.layers.lmu_cell import STATE_SPACE, LMUCell


@dataclass(frozen=True, eq=False)
class CellSteps:
    """
    A cell that feeds back, as it is when the simulator is built.

    Parameters
    ----------
    label : str
        Name of the cell.
    outputs : tuple of str
        Which of ``"u"``, ``"m"`` and ``"h"`` are computed for each output signal.
    input_d, memory_d, hidden_d, state_d : int
        Sizes of the input, of the memory's channels, of the hidden state, and of all that
        is carried from step to step.
    hidden_type : NeuronType or callable
        The function ``f``.
    dt : float
        Simulation step in seconds.
    discrete : tuple of (ndarray, ndarray)
        Discrete state space of one channel.
    trains_state_space : bool
        Whether ``theta``, ``A`` or ``B`` are trained.
    """

    label: str
    outputs: tuple[str, ...]
    input_d: int
    memory_d: int
    hidden_d: int
    state_d: int
    hidden_type: nengo.neurons.NeuronType | Callable
    dt: float
    discrete: tuple[np.ndarray, np.ndarray]
    trains_state_space: bool

    @classmethod
    def of(cls, cell: LMUCell, outputs: tuple[str, ...]) -> "CellSteps":
        """Take all of it from a cell."""
        return cls(
            label=str(cell),
            outputs=outputs,
            input_d=cell.input_d,
            memory_d=cell.memory.memory_d,
            hidden_d=cell.hidden_d,
            state_d=cell.m.size_in + cell.hidden_d,
            hidden_type=cell.hidden_type,
            dt=cell.dt,
            discrete=cell.memory.discrete(cell.realization.discretizer),
            trains_state_space=not cell.trainable.isdisjoint(STATE_SPACE),
        )

    def __str__(self):
        return self.label
