"""What is computed in Python: ahead of the steps that need it, or called by them."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from nengo.exceptions import SimulationError
from nengo.utils.functions import function_name


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


class Ahead:
    """
    A function of time alone: a node or a process without input, or random numbers.

    Parameters
    ----------
    make : function
        ``make(rng)`` gives the function of time for one sequence.
    signal : Signal
        Where its values go.
    dt : float
        Step in seconds.
    op : Operator, optional
        The operator whose random number generator it gets.
    is_batched : bool
        Whether it differs between the sequences of a batch.
    """

    dtype = None  # the program's

    def __init__(self, make: Callable, unit, shape, dt: float, op=None, is_batched=False):
        self.make, self.unit, self.shape, self.dt = make, unit, shape, dt
        self.op, self.is_batched = op, is_batched
        self.functions: list[Callable] = []

    def reset(self, rngs: list) -> None:
        """Start again, with one random number generator for each sequence."""
        self.functions = [self.make(rng) for rng in (rngs if self.is_batched else rngs[:1])]

    def values(self, first: int, n_steps: int) -> np.ndarray:
        """
        Evaluate the function.

        Parameters
        ----------
        first : int
            Number of the first step.
        n_steps : int
            Number of steps.

        Returns
        -------
        values : ndarray of shape (n_steps, ...) or (n_steps, n_sequences, ...)
            What it returned.
        """
        times = self.dt * np.arange(first, first + n_steps)
        shape = (n_steps, *self.shape)
        values = np.zeros((len(self.functions), *shape))
        for function, sequence in zip(self.functions, values, strict=True):
            for i, t in enumerate(times.tolist()):
                sequence[i] = function(t)
        return np.moveaxis(values, 0, 1) if self.is_batched else values[0]


class Callback:
    """
    A Python function that a program calls in each step.

    Parameters
    ----------
    make : function
        ``make(rng)`` gives the function for one sequence: ``function(t, *args)`` returns
        a tuple of arrays.
    results : list of jax.ShapeDtypeStruct
        Shapes and types of these arrays.
    dt : float
        Step in seconds.
    op : Operator
        The operator that it belongs to.

    Attributes
    ----------
    error : Exception or None
        What the function raised.
    """

    def __init__(self, make: Callable, results: list, dt: float, op):
        self.make, self.results, self.dt, self.op = make, results, dt, op
        self.functions: list[Callable] = []
        self.error: Exception | None = None

    def reset(self, rngs: list) -> None:
        """Start again, with one random number generator for each sequence."""
        self.functions = [self.make(rng) for rng in rngs]
        self.error = None

    def __call__(self, number, token, *args):
        """
        Call the function from within a program.

        Parameters
        ----------
        number : array of int
            Number of the step.
        token : array of int
            Passed on from one callback to the next, so that they are called in order.
        *args : array
            What the function gets.

        Returns
        -------
        token : array of int
            For the next callback.
        *results : array
            What the function returned.
        """
        token_type = jax.ShapeDtypeStruct((), jnp.int32)
        return jax.pure_callback(
            self._call,
            (token_type, *self.results),
            number,
            token,
            *args,
            vmap_method="broadcast_all",
        )

    def _call(self, number, token, *args):
        number, args = np.asarray(number), [np.asarray(x) for x in args]
        is_single = number.ndim == 0
        if is_single:
            number, args = number[None], [x[None] for x in args]
        results = [
            np.zeros((len(number), *result.shape), result.dtype) for result in self.results
        ]
        try:
            with np.errstate(invalid="raise", divide="ignore"):
                for i, function in enumerate(self.functions):
                    now = [np.array(x[i], float) for x in args]
                    for result, value in zip(
                        results, function(number[i].item() * self.dt, *now), strict=True
                    ):
                        result[i] = value
        except Exception as error:
            self.error = error
            raise
        token = np.array(token)
        return (token, *(x[0] for x in results)) if is_single else (token, *results)


def checked(function: Callable, *args):
    """
    Call a node's function.

    Returns
    -------
    value : array_like
        What it returned.

    Raises
    ------
    SimulationError
        If that is no finite number.
    """
    y = function(*args)
    try:
        # None would become NaN
        if y is None or not np.all(np.isfinite(y)):
            raise SimulationError(
                f"Function '{function_name(function)}' returned non-finite value"
            )
    except (TypeError, ValueError) as error:
        raise SimulationError(
            f"Function '{function_name(function)}' returned a value {y!r} of invalid type "
            f"{type(y)!r}"
        ) from error
    return y
