"""What is computed in Python: ahead of the steps that need it, or called by them."""

import copy
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.buffer_callback import buffer_callback
from nengo.builder.neurons import SimNeurons
from nengo.builder.processes import SimProcess
from nengo.exceptions import SimulationError
from nengo.processes import Piecewise, PresentInput
from nengo.synapses import LinearFilter, Triangle
from nengo.utils.functions import function_name
from nengo.utils.numpy import maxint

DRAWING_NOTHING = LinearFilter, Triangle
DETERMINISTIC = Piecewise, PresentInput  # draw nothing: the same for a whole batch


def random_generator(op, rng: np.random.RandomState, sequence: int):
    """
    Give an operator what it draws its random numbers from.

    Parameters
    ----------
    op : Operator
        The operator.
    rng : RandomState
        Generator of the seeds of a sequence.
    sequence : int
        Number of the sequence. The first draws the same numbers as in Nengo.

    Returns
    -------
    rng : RandomState or dict of {str: RandomState} or None
        For a process, or neurons. None for other operators.
    """
    if isinstance(op, SimProcess):
        if isinstance(op.process, DRAWING_NOTHING):
            if op.process.seed is None:
                rng.randint(maxint)  # what is drawn after it stays the same
            return None
        return op.process.get_rng(rng)
    if isinstance(op, SimNeurons):
        if sequence == 0:
            return copy.deepcopy(op.state_extra)
        return {name: np.random.RandomState(rng.randint(maxint)) for name in op.state_extra}
    return None


def keeps_state(op) -> bool:
    """Whether an operator that is computed in Python may draw random numbers."""
    if isinstance(op, SimProcess):
        return not isinstance(op.process, DETERMINISTIC)
    return isinstance(op, SimNeurons)


def drawing(op) -> str:
    """Name what draws random numbers."""
    part = op.process if isinstance(op, SimProcess) else op.neurons
    return type(part).__name__


class StepNumber:
    """The number of each step, counted from one."""

    shape, dtype, is_batched, op, unit = (), np.int32, False, None, None

    def reset(self, rngs) -> None:
        """Nothing is kept."""

    def values(self, first: int, n_steps: int) -> np.ndarray:
        """The numbers of ``n_steps`` steps, of shape (n_steps,)."""
        return np.arange(first, first + n_steps, dtype=np.int32)


class Fed:
    """
    Values that are given for each run: those of a node whose own output is constant.

    Parameters
    ----------
    unit : Unit
        Where they go.
    value : ndarray
        The node's own output.
    """

    dtype, is_batched, op = None, False, None

    def __init__(self, unit, value: np.ndarray):
        self.unit, self.value, self.shape = unit, value, value.shape

    def reset(self, rngs) -> None:
        """Nothing is kept."""

    def values(self, first: int, n_steps: int) -> np.ndarray:
        """The node's own output, of shape (n_steps, size)."""
        return np.broadcast_to(self.value, (n_steps, *self.shape))


class Functions:
    """
    Functions of time alone, called ahead of the steps that need them.

    They are called in the same order as by Nengo, step by step, because they may share
    state: a random number generator, for instance.

    Parameters
    ----------
    dt : float
        Step in seconds.
    """

    def __init__(self, dt: float):
        self.dt = dt
        self._functions: list[FunctionOfTime] = []
        self._steps: tuple[int, int] | None = None
        self._values: dict[FunctionOfTime, np.ndarray] = {}

    def add(self, function: Callable, unit, shape: tuple[int, ...] | None):
        """
        Add a function.

        Parameters
        ----------
        function : function
            Function of the time in seconds.
        unit : Unit or None
            Where its values go.
        shape : tuple of int or None
            Shape of its values; None if they are not used.

        Returns
        -------
        source : FunctionOfTime
            An input of the program.
        """
        source = FunctionOfTime(self, function, unit, shape)
        self._functions.append(source)
        return source

    def reset(self) -> None:
        """Start again."""
        self._steps = None

    def values(self, source, first: int, n_steps: int) -> np.ndarray:
        """The values of a function for some steps, for which all functions are called."""
        if self._steps != (first, n_steps):
            self._values = self._call(first, n_steps)
            self._steps = first, n_steps
        return self._values[source]

    def _call(self, first, n_steps):
        values = {f: np.zeros((n_steps, *f.shape)) for f in self._functions}
        pairs = [(f.function, f.is_used, values[f]) for f in self._functions]
        with np.errstate(invalid="raise", divide="ignore"):
            for i, t in enumerate(times(first, n_steps, self.dt)):
                for function, is_used, array in pairs:
                    y = function(t)
                    if is_used:
                        try:
                            array[i] = y
                        except (TypeError, ValueError) as error:
                            raise _invalid_type(function, y) from error
        for function, is_used, array in pairs:
            if is_used and not np.isfinite(array).all():
                raise _not_finite(function)
        return values


class FunctionOfTime:
    """One of `Functions`, as an input of a program."""

    dtype, is_batched, op = None, False, None

    def __init__(self, functions: Functions, function: Callable, unit, shape):
        self.functions, self.function, self.unit = functions, function, unit
        self.is_used, self.shape = shape is not None, shape or ()

    def reset(self, rngs) -> None:
        """Start again."""
        self.functions.reset()

    def values(self, first: int, n_steps: int) -> np.ndarray:
        """Its values for some steps, of shape (n_steps, *shape)."""
        return self.functions.values(self, first, n_steps)


class ProcessOfTime:
    """
    A process without input.

    Parameters
    ----------
    make : function
        ``make(rng)`` gives, for one sequence, the function ``values(first, n_steps)`` that
        gives the values of some steps, of shape (n_steps, *shape).
    unit : Unit or None
        Where its values go.
    shape : tuple of int
        Shape of its values.
    op : Operator
        The operator whose random number generator it gets.
    is_batched : bool
        Whether it differs between the sequences of a batch.
    """

    dtype = None  # the program's

    def __init__(self, make: Callable, unit, shape, op, is_batched: bool):
        self.make, self.unit, self.shape = make, unit, shape
        self.op, self.is_batched = op, is_batched
        self._functions: list[Callable] = []

    def reset(self, rngs: list) -> None:
        """Start again, with one random number generator for each sequence."""
        self._functions = [
            self.make(rng) for rng in (rngs if self.is_batched else rngs[:1])
        ]

    def values(self, first: int, n_steps: int) -> np.ndarray:
        """Its values for some steps; the second axis is the sequence if they differ."""
        with np.errstate(invalid="raise", divide="ignore"):
            values = [function(first, n_steps) for function in self._functions]
        return np.stack(values, axis=1) if self.is_batched else values[0]


def call_each(function: Callable, shape: tuple, dt: float, first: int, n_steps: int):
    """Call a function of time for each of some steps; an array (n_steps, *shape)."""
    values = np.empty((n_steps, *shape))
    for i, t in enumerate(times(first, n_steps, dt)):
        values[i] = function(t)
    return values


def times(first: int, n_steps: int, dt: float) -> list[float]:
    """The times of some steps, in seconds, as Nengo computes them."""
    return (dt * np.arange(first, first + n_steps)).tolist()


class Uniform:
    """
    The numbers that neurons draw in each step, by a generator of Nengo's builder.

    Parameters
    ----------
    name : str
        Name of the generator among those of the operator.
    shape : tuple of int
        Shape of the numbers of one step.
    op : SimNeurons
        The operator that it belongs to.
    """

    dtype, is_batched, unit = None, True, None

    def __init__(self, name: str, shape: tuple[int, ...], op):
        self.name, self.shape, self.op = name, shape, op
        self._rngs: list[np.random.RandomState] = []

    def reset(self, rngs: list) -> None:
        """Start again, with the generators of each sequence."""
        self._rngs = [by_name[self.name] for by_name in rngs]

    def values(self, first: int, n_steps: int) -> np.ndarray:
        """Draw numbers in [0, 1), of shape (n_steps, n_sequences, *shape)."""
        shape = n_steps, *self.shape
        return np.stack([rng.random_sample(shape) for rng in self._rngs], axis=1)


class Callback:
    """
    A Python function that a program calls in each step.

    Parameters
    ----------
    make : function
        ``make(rng)`` gives the function for one sequence: ``function(t, *args)`` returns
        a sequence of arrays.
    dtypes : list of dtype
        The types in which the function gets its arguments.
    results : list of jax.ShapeDtypeStruct
        Shapes and types of what it returns.
    dt : float
        Step in seconds.
    op : Operator
        The operator that it belongs to.
    is_batched : bool
        Whether it is called for each sequence of a batch; else once, for all of them.

    Attributes
    ----------
    error : BaseException or None
        What the function raised.
    """

    def __init__(self, make: Callable, dtypes, results, dt: float, op, is_batched: bool):
        self.make, self.dtypes, self.results = make, dtypes, results
        self.dt, self.op, self.is_batched = dt, op, is_batched
        self.functions: list[Callable] = []
        self.error: BaseException | None = None

    def reset(self, rngs: list) -> None:
        """Start again, with one random number generator for each sequence."""
        self.functions = [self.make(rng) for rng in rngs]
        self.error = None

    def __call__(self, number, sequence, *args):
        """
        Call the function from within a program.

        Parameters
        ----------
        number : array of int
            Number of the step.
        sequence : array of int
            Number of the sequence. It is passed on from one callback to the next, so that
            they are called in order.
        *args : array
            What the function gets.

        Returns
        -------
        sequence : array of int
            For the next callback.
        *results : array
            What the function returned.
        """
        results = jax.ShapeDtypeStruct((), jnp.int32), *self.results
        on_host = buffer_callback(
            self._fill, results, has_side_effect=True, vmap_method="broadcast_all"
        )

        def elsewhere(*args):
            return jax.pure_callback(
                self._copy, results, *args, vmap_method="broadcast_all"
            )

        return jax.lax.platform_dependent(
            number, sequence, *args, cpu=on_host, default=elsewhere
        )

    def _fill(self, _, buffers, number, sequence, *args):
        """Call the function on a processor's memory."""
        passed_on, *results = map(np.asarray, buffers)
        passed_on[...] = np.asarray(sequence)
        self._call(number, passed_on, args, results)

    def _copy(self, number, sequence, *args):
        """Call the function on copies."""
        sequence = np.asarray(sequence)
        results = [
            np.empty((*sequence.shape, *result.shape), result.dtype)
            for result in self.results
        ]
        self._call(number, sequence, args, results)
        return sequence, *results

    def _call(self, number, sequence, args, results):
        t = np.asarray(number).item(0) * self.dt
        args = [np.asarray(x) for x in args]
        try:
            with np.errstate(invalid="raise", divide="ignore"):
                if sequence.ndim == 0:
                    self._call_one(0, t, args, results)
                else:
                    for i in range(len(sequence) if self.is_batched else 1):
                        of_one = [[x[i, ...] for x in arrays] for arrays in (args, results)]
                        self._call_one(sequence[i], t, *of_one)
        except BaseException as error:
            self.error = error
            raise
        if not self.is_batched and sequence.ndim:
            for result in results:
                result[1:] = result[0]

    def _call_one(self, k, t, args, results):
        copies = [x.astype(dtype) for x, dtype in zip(args, self.dtypes, strict=True)]
        values = self.functions[k](t, *copies)
        for result, value in zip(results, values, strict=True):
            result[...] = value


def checked(function: Callable, y, shape: tuple[int, ...]) -> np.ndarray:
    """
    Check what the function of a node returned, as Nengo does.

    Parameters
    ----------
    function : function
        The function.
    y : array_like
        What it returned.
    shape : tuple of int
        The shape of the signal that is set to it.

    Returns
    -------
    y : ndarray of shape ``shape``
        The same.

    Raises
    ------
    SimulationError
        If it is not finite, or of another type or shape.
    """
    array = np.empty(shape)
    try:
        array[...] = y  # None becomes NaN
        is_finite = np.isfinite(array).all()
    except (TypeError, ValueError) as error:
        raise _invalid_type(function, y) from error
    if not is_finite:
        raise _not_finite(function)
    return array


def _not_finite(function):
    return SimulationError(
        f"Function '{function_name(function)}' returned non-finite value"
    )


def _invalid_type(function, y):
    return SimulationError(
        f"Function '{function_name(function)}' returned a value {y!r} of invalid type "
        f"{type(y)!r}"
    )
