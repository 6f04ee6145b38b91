"""Coordinates for the state in neurons: which dimensions they hold, and in which range."""

from dataclasses import dataclass

import numpy as np
from nengo.exceptions import ValidationError
from numpy.typing import ArrayLike

from lmu_nengo._validation import (
    check_array,
    check_choice,
    check_instance,
    check_integer,
    check_positive,
    check_state_space,
)
from lmu_nengo.nef.input_model import InputModel
from lmu_nengo.signal.balancing import COORDINATES, state_transform


@dataclass(frozen=True, eq=False)
class Coordinates:
    """
    Coordinates ``x`` of a state ``m``, each in the range [-1, 1], with their state space.

    Parameters
    ----------
    transform : ndarray of shape (order, state_d)
        ``m = transform @ x``.
    inverse : ndarray of shape (state_d, order)
        ``x = inverse @ m``.
    Ad, Bd : ndarray of shape (order, order) and (order, 1)
        Discrete state space of ``m``.

    Examples
    --------
    >>> import numpy as np
    >>> from lmu_nengo.nef import Coordinates
    >>> half = Coordinates(2 * np.eye(1), np.eye(1) / 2, np.eye(1), np.ones((1, 1)))
    >>> half.Bx
    array([[0.5]])
    """

    transform: np.ndarray
    inverse: np.ndarray
    Ad: np.ndarray
    Bd: np.ndarray

    @property
    def state_d(self) -> int:
        """Number of dimensions."""
        return len(self.inverse)

    @property
    def Ax(self) -> np.ndarray:
        """Discrete state matrix of ``x``, of shape (state_d, state_d)."""
        return self.inverse @ self.Ad @ self.transform

    @property
    def Bx(self) -> np.ndarray:
        """Discrete input matrix of ``x``, of shape (state_d, 1)."""
        return self.inverse @ self.Bd

    def widen(self, factors: np.ndarray) -> "Coordinates":
        """
        Return the same coordinates with wider ranges.

        Parameters
        ----------
        factors : ndarray of shape (state_d,)
            Factor of each dimension's range.

        Returns
        -------
        coordinates : Coordinates
            Those of ``x / factors``.
        """
        factors = check_array(factors, "factors", (self.state_d,), obj=type(self))
        transform, inverse = self.transform * factors, self.inverse / factors[:, None]
        return Coordinates(transform, inverse, self.Ad, self.Bd)


def choose_coordinates(
    name: str,
    inputs: InputModel,
    energy: ArrayLike,
    Ad: np.ndarray,
    Bd: np.ndarray,
    state_d: int | None = None,
    margin: float = 1.0,
    obj: object = None,
) -> Coordinates:
    """
    Choose the dimensions that neurons hold, and scale each to its expected range.

    Parameters
    ----------
    name : {"balanced", "legendre", "principal"}
        See `lmu_nengo.signal.state_transform`.
    inputs : InputModel
        The expected input.
    energy : ndarray of shape (order, order)
        What a state is worth: see `lmu_nengo.signal.window_energy`.
    Ad, Bd : ndarray of shape (order, order) and (order, 1)
        Discrete state space of the memory.
    state_d : int, optional
        Dimensions to keep. By default all of them; for an expected band, in other than
        Legendre coordinates, a few more than a window of it has degrees of freedom.
    margin : float
        Range of a dimension over its largest expected magnitude.
    obj : object, optional
        Object to be named in an error.

    Returns
    -------
    coordinates : Coordinates
        The coordinates and their state space.

    Raises
    ------
    ValidationError
        If ``state_d`` is above the order, or the state cannot be balanced.

    Examples
    --------
    >>> from lmu_nengo.nef import InputModel, choose_coordinates
    >>> from lmu_nengo.signal import discretize, state_space, window_energy
    >>> Ad, Bd = discretize(*state_space(theta=0.1, order=6), dt=0.001)
    >>> inputs = InputModel(None, 0.1, Ad, Bd, 0.001)
    >>> state = choose_coordinates("balanced", inputs, window_energy(Ad), Ad, Bd, state_d=4)
    >>> state.transform.shape
    (6, 4)
    """
    Ad, Bd = check_state_space(Ad, Bd, n_inputs=1)
    check_instance(inputs, InputModel, "inputs", "an InputModel", obj)
    check_choice(name, COORDINATES, "coordinates", obj)
    margin = check_positive(margin, "margin", unit="", obj=obj)
    order = len(Ad)
    if state_d is None:
        state_d = order
        if name != "legendre" and inputs.is_told and inputs.is_band:
            state_d = int(np.ceil(2.2 * inputs.frequency * inputs.theta)) + 5
            state_d = min(order, state_d)
    elif check_integer(state_d, "state_d", obj=obj) > order:
        raise ValidationError(
            f"must be at most the order, {order}, got {state_d}.", attr="state_d", obj=obj
        )
    transform, inverse = state_transform(name, inputs.covariance, energy, state_d)
    coordinates = Coordinates(transform, inverse, Ad, Bd)
    return coordinates.widen(margin * inputs.largest(inverse))
