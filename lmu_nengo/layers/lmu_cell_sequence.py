"""A recurrent cell whose steps one operator goes through, for training."""

import nengo
from nengo.exceptions import ValidationError

from lmu_nengo.processes.sequence import Sequence

STATE_SPACE = ("theta", "A", "B")
# neuron types whose f is known where it has to be fed back in one operator
RATE_TYPES = (nengo.RectifiedLinear, nengo.Sigmoid, nengo.Tanh, nengo.LIFRate)


class CellSequence(Sequence):
    """
    A cell whose steps one operator goes through.

    Parameters
    ----------
    cell : LMUCell
        The cell; its weights are copied.
    realization : Windowed
        Says how to discretize.
    outputs : tuple of str
        Which of ``"u"``, ``"m"`` and ``"h"`` it gives, side by side.
    """

    def __init__(self, cell, realization, outputs):
        super().__init__(
            cell.input_d + (0 if cell.start is None else cell.m.size_in),
            sum(getattr(cell, name).size_in for name in outputs),
            cell.weights,
            cell.trainable,
        )
        self.outputs = outputs
        self.cell = cell
        self.input_d = cell.input_d
        self.memory_d = cell.memory.memory_d
        self.hidden_d = cell.hidden_d
        self.state_d = cell.m.size_in + cell.hidden_d
        self.hidden_type = cell.hidden_type
        self.dt = cell.dt
        self.discretizer = realization.discretizer
        self.discrete = cell.memory.discrete(realization.discretizer)
        self.trains_state_space = bool(self.trainable & set(STATE_SPACE))
        if self.trains_state_space and self.discretizer != "zoh":
            raise ValidationError(
                f"got {self.discretizer!r}, expected 'zoh', as theta, A or B are trained.",
                attr="discretizer",
                obj=cell,
            )

    def check_hidden_type(self):
        """Raise ValidationError if ``f`` is not known to TensorFlow."""
        is_neurons = isinstance(self.hidden_type, nengo.neurons.NeuronType)
        if is_neurons and type(self.hidden_type) not in RATE_TYPES:
            names = ", ".join(kind.__name__ for kind in RATE_TYPES)
            raise ValidationError(
                f"got {self.hidden_type!r}, expected one of {names}, or a TensorFlow "
                "function, where all steps of a cell that feeds back are taken at once. "
                "Train the rate type, then call to_spiking; or use Linear().",
                attr="hidden_type",
                obj=self.cell,
            )

    def update(self, trained):
        """
        Take the results of training, also for the cell's other realizations.

        Parameters
        ----------
        trained : dict of {str: array}
            New values of some of the parameters.
        """
        super().update(trained)
        self.cell._put_into_steps(self.parameters)
