"""Processes that know whole sequences, with parameters to train."""

from collections.abc import Callable, Iterable, Mapping

import nengo
import numpy as np
from nengo.exceptions import ValidationError
from numpy.typing import ArrayLike

from lmu_nengo._validation import check_array, check_integer, check_mapping


class Sequence(nengo.Process):
    """
    The base of processes that are computed for all time steps of a sequence at once.

    `lmu_nengo.training` applies such a process to whole sequences, if the network
    has a `Windowed` memory, and trains its parameters. All other simulators call its
    ``make_step``, which subclasses implement where the process can run step by step.

    Parameters
    ----------
    size_in, size_out : int
        Size of the node's input and output.
    parameters : dict of {str: ndarray}, optional
        Arrays that the process needs; training writes its results here.
    trainable : iterable of str, optional
        Names of the parameters that are trained.

    Attributes
    ----------
    state_d : int or None
        Size of the state that is carried from one sequence to the next; ``None`` if the
        process cannot continue from an earlier sequence.

    Notes
    -----
    A subclass needs a function of TensorFlow, registered with
    ``lmu_nengo.training.backend.sequences.apply``, or one of JAX, registered with
    ``lmu_nengo.training.jax.network.sequences.apply``.

    Examples
    --------
    >>> from lmu_nengo.processes import Reverse, Sequence
    >>> issubclass(Reverse, Sequence)
    True
    >>> Reverse(2).parameters
    {}
    """

    state_d: int | None = None

    def __init__(
        self,
        size_in: int,
        size_out: int,
        parameters: Mapping[str, np.ndarray] | None = None,
        trainable: Iterable[str] = (),
    ):
        if parameters is not None:
            check_mapping(parameters, "parameters", "arrays", obj=type(self))
        super().__init__(default_size_in=size_in, default_size_out=size_out)
        self.parameters = dict(parameters or {})
        self.trainable = frozenset(trainable)

    # Nengo's processes are equal if their settings are; these are trained one by one
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def update(self, trained: Mapping[str, ArrayLike]) -> None:
        """
        Store trained values.

        Parameters
        ----------
        trained : dict of {str: array}
            New values of some of the parameters.
        """
        check_mapping(trained, "trained", "arrays", obj=type(self))
        self.parameters.update(
            {k: check_array(v, k, (...,), obj=type(self)) for k, v in trained.items()}
        )

    def make_step(self, shape_in, shape_out, dt, rng, state):
        """Refuse to run one step at a time; subclasses that can do so override this."""
        raise ValidationError(
            "a network realized as Windowed computes all time steps at once and cannot run "
            "step by step. Run it in lmu_nengo.training.Trainer or Simulator, or call "
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

    Raises
    ------
    ValidationError
        If ``size`` is not an integer of at least 1; when it is simulated step by step, as
        the first output is the last input.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo.processes import Reverse
    >>> with nengo.Network():
    ...     backwards = nengo.Node(Reverse(3))
    >>> backwards.size_in, backwards.size_out
    (3, 3)
    """

    def __init__(self, size: int):
        size = check_integer(size, "size", obj=type(self))
        super().__init__(size, size)

    def make_step(self, shape_in, shape_out, dt, rng, state):
        """Refuse to run one step at a time."""
        raise ValidationError(
            "a Bidirectional network needs the whole sequence before its first output, "
            "so it cannot be streamed. Run it with Windowed memories in "
            "lmu_nengo.training.Trainer or Simulator, or use the forward network only.",
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

    Raises
    ------
    ValidationError
        If ``size`` is not an integer of at least 1.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo.processes import Only
    >>> with nengo.Network() as model:
    ...     ones = nengo.Node([1])
    ...     third_and_fourth = nengo.Node(Only(2, 4, size=1))
    ...     connection = nengo.Connection(ones, third_and_fourth, synapse=None)
    ...     probe = nengo.Probe(third_and_fourth)
    >>> with nengo.Simulator(model, progress_bar=False) as sim:
    ...     sim.run_steps(6)
    >>> sim.data[probe].ravel()
    array([0., 0., 1., 1., 0., 0.])
    """

    def __init__(self, start: int, stop: int | None, size: int):
        size = check_integer(size, "size", obj=type(self))
        super().__init__(size, size)
        self.start = start
        self.stop = stop

    def make_step(self, shape_in, shape_out, dt, rng, state):
        """Pass the input on, or zeros."""
        stop = np.inf if self.stop is None else self.stop

        def step(t, x):
            inside = self.start <= round(t / dt) - 1 < stop
            return x if inside else np.zeros_like(x)

        return step

    def make_jax_step(
        self, shape_in: tuple[int, ...], shape_out: tuple[int, ...], dt: float
    ) -> Callable:
        """Do the same in `lmu_nengo.engine`."""
        import jax.numpy as jnp

        stop = np.inf if self.stop is None else self.stop

        def step(t, x):
            number = jnp.round(t / dt) - 1
            return jnp.where((self.start <= number) & (number < stop), x, 0), {}

        return step
