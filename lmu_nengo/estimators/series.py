"""Series in scikit-learn's, aeon's and sktime's form, and their Legendre coefficients."""

from typing import NamedTuple

import numpy as np
from nengo.exceptions import ValidationError
from sklearn.utils.validation import validate_data

from lmu_nengo.conversion.linear_fit import exact_states
from lmu_nengo.signal.discretization import discretize, impulse_response
from lmu_nengo.signal.legendre import state_space
from lmu_nengo.signal.padding import pad_front


class Series(NamedTuple):
    """
    Series of one length, or of several, padded at the front.

    Attributes
    ----------
    x : ndarray of shape (n, n_steps, n_channels)
        Values.
    lengths : ndarray of shape (n,)
        Steps of each; what lies before them is padding.
    """

    x: np.ndarray
    lengths: np.ndarray

    @property
    def is_data(self):
        """What is not padding, of shape (n, n_steps)."""
        n_steps = self.x.shape[1]
        return np.arange(n_steps) >= (n_steps - self.lengths)[:, None]

    def standardized(self, mean, scale):
        """The same with ``(x - mean) / scale`` for each channel, and padding of zeros."""
        x = (self.x - mean) / scale
        return Series(np.where(self.is_data[:, :, None], x, 0.0), self.lengths)

    def padded(self, n_steps, value):
        """Values of shape (n, n_steps, n_channels), with padding of a value."""
        x = np.where(self.is_data[:, :, None], self.x, value)
        rest = np.broadcast_to(value, (len(x), n_steps - x.shape[1], x.shape[2]))
        return np.concatenate([rest, x], axis=1)


def check_series(estimator, X, reset=True):
    """
    Return what was given as `Series`, or raise an error of scikit-learn or nengo.

    Arrays are of shape (n, n_timepoints) or (n, n_channels, n_timepoints); lists have
    arrays of shape (n_channels, n_timepoints).
    """
    if is_list_of_series(X):
        sizes = {np.shape(x)[0] for x in X}
        if not reset:
            sizes.add(estimator.n_features_in_)
        if len(sizes) > 1:
            raise ValidationError(
                f"each series must have the same number of channels, got {sorted(sizes)}.",
                attr="X",
            )
        X = [np.asarray(x, dtype=np.float64) for x in X]
        if not all(np.isfinite(x).all() for x in X):
            raise ValidationError(
                "must be finite. Fill the gaps of a series first, for instance by "
                "interpolation.",
                attr="X",
            )
        if reset:
            estimator.n_features_in_ = sizes.pop()
        return Series(*pad_front([x.T for x in X]))
    X = validate_data(
        estimator, X, reset=reset, allow_nd=True, dtype=np.float64, ensure_min_features=1
    )
    if X.ndim > 3 or 0 in X.shape:
        raise ValidationError(
            "must be of shape (n, n_timepoints) or (n, n_channels, n_timepoints), all "
            "above 0, or a list of arrays of shape (n_channels, n_timepoints), got an "
            f"array of shape {X.shape}.",
            attr="X",
        )
    x = X[:, :, None] if X.ndim == 2 else X.transpose(0, 2, 1)
    return Series(x, np.full(len(x), x.shape[1]))


def is_list_of_series(X):
    """Whether this is a list of arrays of shape (n_channels, n_timepoints)."""
    is_list = isinstance(X, list | tuple) or (isinstance(X, np.ndarray) and X.dtype == "O")
    return is_list and len(X) > 0 and all(getattr(x, "ndim", 0) == 2 for x in X)


def channel_scale(series):
    """Mean and standard deviation of each channel, over all steps of all series."""
    rows = series.x[series.is_data]
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    # a channel that is constant but for rounding says nothing
    is_constant = scale <= 1e-9 * np.maximum(np.abs(mean), 1e-300)
    return mean, np.where(is_constant, 1.0, scale)


def end_coefficients(x, theta, order, dt):
    """Coefficients (n, n_channels * order) at the end of ``x`` (n, n_steps, n_channels)."""
    Ad, Bd = discretize(*state_space(theta, order), dt=dt)
    response = impulse_response(Ad, Bd, x.shape[1])[::-1]
    return (x.transpose(0, 2, 1) @ response).reshape(len(x), -1)


def all_coefficients(x, theta, order, dt):
    """Coefficients (n, n_steps, n_channels * order) at each step."""
    return exact_states(x, *discretize(*state_space(theta, order), dt=dt))
