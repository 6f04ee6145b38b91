"""Legendre coefficients as features."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted

from lmu_nengo._validation import check_integer, check_positive
from lmu_nengo.estimators.choices import order_that_keeps
from lmu_nengo.estimators.series import channel_scale, check_series, end_coefficients


class LegendreFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """
    The last window of each series as Legendre coefficients, channel after channel.

    These are the exact state of a `lmu_nengo.LegendreMemory` after the series, computed as
    one matrix product. Series may differ in length: a memory is empty before they begin.

    Parameters
    ----------
    theta : float, optional
        Length of the window in seconds; ``None`` is that of the longest series.
    order : int, optional
        Legendre polynomials per channel. ``None`` is the lowest of 2, 3, 4, 6, 8, 12, ...
        64 that keeps 90% of the variance of the windows.
    standardize : bool
        Whether each channel is standardized first, over all steps of all series.
    dt : float
        Seconds between two values of a series. With ``dt=1``, ``theta`` counts values.

    Attributes
    ----------
    theta_ : float
        Length of the window in seconds.
    order_ : int
        Order.
    mean_, scale_ : ndarray of shape (n_channels,)
        Of the channels; zeros and ones if they are not standardized.
    n_features_in_ : int
        Number of channels of three-dimensional arrays and lists, of time points of
        two-dimensional arrays.

    See Also
    --------
    lmu_nengo.signal.simulate : the state at each step.

    Examples
    --------
    Ten series with two channels and 50 time points:

    >>> import numpy as np
    >>> from lmu_nengo.estimators import LegendreFeatures
    >>> X = np.cumsum(np.random.RandomState(0).randn(10, 2, 50), axis=2)
    >>> features = LegendreFeatures(theta=0.05, order=6)
    >>> features.fit_transform(X).shape
    (10, 12)
    """

    def __init__(
        self,
        theta: float | None = None,
        order: int | None = None,
        standardize: bool = True,
        dt: float = 0.001,
    ):
        self.theta = theta
        self.order = order
        self.standardize = standardize
        self.dt = dt

    def fit(self, X: ArrayLike, y: Any = None) -> "LegendreFeatures":
        """
        Choose window and order, and measure the channels.

        Parameters
        ----------
        X : array_like of shape (n, n_timepoints) or (n, n_channels, n_timepoints), or list
            Series; a list has arrays of shape (n_channels, n_timepoints).
        y : None
            Not used.

        Returns
        -------
        self : LegendreFeatures
            The transformer.
        """
        series = check_series(self, X)
        dt = check_positive(self.dt, "dt", obj=type(self))
        n_channels = series.x.shape[2]
        self.mean_, self.scale_ = np.zeros(n_channels), np.ones(n_channels)
        if self.standardize:
            self.mean_, self.scale_ = channel_scale(series)
        x = series.standardized(self.mean_, self.scale_).x
        self.theta_ = x.shape[1] * dt
        if self.theta is not None:
            self.theta_ = check_positive(self.theta, "theta", obj=type(self))
        if self.order is None:
            self.order_ = order_that_keeps(x, self.theta_, dt)
        else:
            self.order_ = check_integer(self.order, "order", obj=type(self))
        self._n_features_out = n_channels * self.order_
        return self

    def transform(self, X: ArrayLike) -> np.ndarray:
        """
        Coefficients at the end of each series.

        Parameters
        ----------
        X : as for `fit`
            Series.

        Returns
        -------
        coefficients : ndarray of shape (n, n_channels * order)
            Channel after channel.
        """
        check_is_fitted(self)
        series = check_series(self, X, reset=False)
        x = series.standardized(self.mean_, self.scale_).x
        return end_coefficients(x, self.theta_, self.order_, self.dt)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
