"""Node processes that NengoDL applies to whole sequences, with parameters to train."""

import nengo
import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo._validation import check_integer


class Sequence(nengo.Process):
    """
    What a node does to a whole sequence; the base of all such processes.

    `lmu_nengo.training.Simulator` applies it to all steps at once and trains its
    parameters; `lmu_nengo.training.backend.sequences` has the TensorFlow function of each.

    Parameters
    ----------
    size_in, size_out : int
        Size of the node's input and output.
    parameters : dict of {str: ndarray}, optional
        Arrays that the process needs; training writes its results here.
    trainable : iterable of str, optional
        Names of those that are trained.

    Attributes
    ----------
    state_d : int or None
        Size of the state that goes on from one sequence to the next; ``None`` if the
        process cannot go on.
    """

    state_d = None

    def __init__(self, size_in, size_out, parameters=None, trainable=()):
        super().__init__(default_size_in=size_in, default_size_out=size_out)
        self.parameters = parameters or {}
        self.trainable = frozenset(trainable)

    # Nengo's processes are equal if their settings are; these are trained one by one
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def update(self, trained):
        """
        Take the results of training.

        Parameters
        ----------
        trained : dict of {str: array}
            New values of some of the parameters.
        """
        self.parameters.update({k: np.array(v, dtype=float) for k, v in trained.items()})

    def make_step(self, shape_in, shape_out, dt, rng, state):
        """Refuse to be run one step at a time."""
        raise ValidationError(
            f"{type(self).__name__} takes all time steps at once and cannot run step by "
            "step. Train it with lmu_nengo.training.Simulator, or call "
            "lmu_nengo.realize(network, lmu_nengo.Linear()) first.",
            attr="realization",
        )


class Reverse(Sequence):
    """
    A sequence from its last step to its first.

    Parameters
    ----------
    size : int
        Size of input and output.
    """

    def __init__(self, size):
        size = check_integer(size, "size", obj=type(self))
        super().__init__(size, size)

    def make_step(self, shape_in, shape_out, dt, rng, state):
        """Refuse to be run one step at a time."""
        raise ValidationError(
            "a Bidirectional network needs the whole sequence before its first output, "
            "so it cannot be streamed. Run it with Windowed memories in "
            "lmu_nengo.training.Simulator, or use the forward network only.",
            attr="realization",
        )


class Only(Sequence):
    """
    Passes on some steps of its input and is zero at all others.

    Parameters
    ----------
    start : int
        First step that passes, counted from 0.
    stop : int or None
        The step after the last one that passes; ``None`` is the end.
    size : int
        Size of input and output.
    """

    def __init__(self, start, stop, size):
        size = check_integer(size, "size", obj=type(self))
        super().__init__(size, size)
        self.start = start
        self.stop = stop

    def make_step(self, shape_in, shape_out, dt, rng, state):
        """Pass the input on, or not."""
        stop = np.inf if self.stop is None else self.stop

        def step(t, x):
            inside = self.start <= round(t / dt) - 1 < stop
            return x if inside else np.zeros_like(x)

        return step
