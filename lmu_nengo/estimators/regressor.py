"""A regressor of series: a value of each series, of each step, or the series' future."""

from typing import Any

import numpy as np
from nengo.exceptions import ValidationError
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.model_selection import GroupKFold, TimeSeriesSplit
from sklearn.utils import check_array
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from lmu_nengo._validation import check_integer
from lmu_nengo.conversion.linear_fit import ridge
from lmu_nengo.estimators.base import MAX_ROWS, LMUEstimator
from lmu_nengo.estimators.choices import SHARE, orders_for, windows_for
from lmu_nengo.estimators.series import (
    Series,
    all_coefficients,
    channel_scale,
    check_series,
    end_coefficients,
    is_list_of_series,
)
from lmu_nengo.signal.padding import pad_front

FOLDS = 4


class LMURegressor(RegressorMixin, LMUEstimator):
    """
    Regression on the coefficients of a Legendre memory, by a linear read-out.

    What is predicted depends on ``y`` and ``horizon``: a value at the end of each series; a
    value at each step; or, with a horizon, the series' own values so many steps later. The
    read-out is fitted in closed form. Window, order and strength of regularization are
    chosen by cross-validation: leaving out one series for values at the end, otherwise by
    folds of series, or by later parts of it if there is only one.

    Parameters
    ----------
    horizon : int, optional
        Steps to forecast; `fit` then takes no ``y``.
    difference : bool
        Whether the memory gets the changes from step to step and the read-out gives the
        change over the horizon, to which the present value is added. This removes trends.
        It is used with a horizon only.
    theta : float, optional
        Length of the window in seconds. ``None`` is that of the longest series for values
        at the end, and is otherwise chosen, up to an eighth of it.
    order : int, optional
        Legendre polynomials per channel; ``None`` chooses from 2, 3, 4, 6, 8, ... 64.
    hidden_d : int
        Number of rectified linear neurons with random encoders between memory and
        read-out; with 0 the coefficients are read themselves.
    alpha, dt, random_state : as for `LMUClassifier`
        Strength, step and seed.

    Attributes
    ----------
    theta_, order_, alpha_, error_, mean_, scale_, network_, n_features_in_
        As for `LMUClassifier`. With a horizon and ``difference``, the network's input and
        output, ``mean_`` and ``scale_`` are of changes.

    Raises
    ------
    ValidationError
        From `fit`, if an argument is out of range or does not fit.

    Examples
    --------
    A sum of two sines with a trend, 10 steps ahead:

    >>> import numpy as np
    >>> from lmu_nengo.estimators import LMURegressor
    >>> t = np.arange(1000)
    >>> X = (0.01 * t + np.sin(0.1 * t) + np.sin(0.23 * t))[None, None]
    >>> regressor = LMURegressor(horizon=10).fit(X[:, :, :800])
    >>> forecast = regressor.predict(X)
    >>> errors = forecast[0, 0, 790:-10] - X[0, 0, 800:]
    >>> bool(np.abs(errors).max() < 0.05)
    True
    """

    def __init__(
        self,
        horizon: int | None = None,
        difference: bool = True,
        theta: float | None = None,
        order: int | None = None,
        hidden_d: int = 0,
        alpha: float | None = None,
        dt: float = 0.001,
        random_state: Any = None,
    ):
        self.horizon = horizon
        self.difference = difference
        self.theta = theta
        self.order = order
        self.hidden_d = hidden_d
        self.alpha = alpha
        self.dt = dt
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> "LMURegressor":
        """
        Fit to series.

        Parameters
        ----------
        X : array_like of shape (n, n_timepoints) or (n, n_channels, n_timepoints), or list
            Series; a list has arrays of shape (n_channels, n_timepoints), which may differ
            in length.
        y : array_like of shape (n,), (n, size_out) or (n, size_out, n_timepoints), or list
            Values at the end of each series, or at each step; ``None`` with a horizon.

        Returns
        -------
        self : LMURegressor
            The regressor.
        """
        x, y, used = self._data(X, y)
        if used is None:
            self._fit_ends(x, y)
        else:
            self._choose_window(x, y, used)
            m = all_coefficients(x, self.theta_, self.order_, self.dt)
            self._make_hidden(m[used])
            self._solve(m[used], y[used], np.nonzero(used)[0])
        return self

    def partial_fit(self, X: ArrayLike, y: ArrayLike | None = None) -> "LMURegressor":
        """
        Fit to more series; window, order, strength and neurons stay as first chosen.

        Parameters
        ----------
        X, y : as for `fit`
            Further series.

        Returns
        -------
        self : LMURegressor
            The regressor.
        """
        if not hasattr(self, "coef_"):
            return self.fit(X, y)
        x, y, used = self._data(X, y, reset=False)
        if used is None:
            m = end_coefficients(x, self.theta_, self.order_, self.dt)
        else:
            m = all_coefficients(x, self.theta_, self.order_, self.dt)[used]
            y = y[used]
        self._count(self._activities(m), y)
        self._resolve()
        return self

    def _data(self, X, y, reset=True):
        """Standardized inputs, answers, and the steps that are used (None: the last)."""
        if self.horizon is None:
            if y is None:
                raise ValueError(
                    f"{type(self).__name__} requires y to be passed, but the target y is "
                    "None. Pass y, or a horizon to forecast the series themselves."
                )
            series = self._start(X, reset=reset)
            y = self._answers_of(series, y)
            self.is_each_step_ = y.ndim == 3
            used = series.is_data if self.is_each_step_ else None
            return series.x, y, used
        if y is not None:
            raise ValidationError(
                "must be None with a horizon: the series' own future is what is fitted.",
                attr="y",
                obj=type(self),
            )
        horizon = check_integer(self.horizon, "horizon", obj=type(self))
        raw = check_series(self, X, reset=reset)
        if np.any(raw.lengths < horizon + 2):
            raise ValidationError(
                f"must be series of at least horizon + 2 = {horizon + 2} values, got one "
                f"of {raw.lengths.min()}.",
                attr="X",
                obj=type(self),
            )
        self._start(X, reset=reset)  # checks arguments
        inputs = self._inputs(raw)
        if reset:
            self.mean_, self.scale_ = channel_scale(inputs)
        self.is_each_step_ = False
        self._is_flat = not is_list_of_series(X) and np.ndim(X) == 2
        y = np.zeros_like(raw.x)
        y[:, :-horizon] = raw.x[:, horizon:]
        if self.difference:
            y -= raw.x
        # the window is not full at first, though the series had a past
        steps = np.arange(raw.x.shape[1])
        first = raw.x.shape[1] - raw.lengths + raw.lengths // SHARE
        used = (steps >= first[:, None]) & (steps < len(steps) - horizon)
        return inputs.standardized(self.mean_, self.scale_).x, y, used

    def _answers_of(self, series, y):
        """Answers of shape (n, size_out) or (n, n_steps, size_out)."""
        self._is_vector = False
        n_steps = series.x.shape[1]
        if is_list_of_series(y):
            y, lengths = pad_front([np.asarray(each).T for each in y], n_steps)
            if not np.array_equal(lengths, series.lengths):
                raise ValidationError(
                    "must have a value for each step: the lengths of X and y differ.",
                    attr="y",
                    obj=type(self),
                )
            return y
        y = check_array(y, allow_nd=True, ensure_2d=False, dtype=np.float64, input_name="y")
        check_consistent_length(series.x, y)
        if y.ndim == 3:
            if y.shape[2] != n_steps:
                raise ValidationError(
                    f"must be of shape (n, size_out, {n_steps}) to have a value for each "
                    f"step, got {y.shape}.",
                    attr="y",
                    obj=type(self),
                )
            return y.transpose(0, 2, 1)
        if y.ndim == 1 or y.shape[1] == 1:
            self._is_vector = y.ndim == 1
            y = column_or_1d(y, warn=True)[:, None]
            self._is_vector = True
        return y

    def _choose_window(self, x, y, used):
        """Choose window and order by cross-validation."""
        n, n_steps = x.shape[:2]
        windows = [self.theta]
        if self.theta is None:
            windows = [w * self.dt for w in windows_for(n_steps, self.horizon or 1)]
        sequence = np.nonzero(used)[0]
        rows = np.linspace(0, len(sequence) - 1, min(MAX_ROWS, len(sequence))).astype(int)
        sequence = sequence[rows]
        if n > 1:
            splits = list(GroupKFold(min(FOLDS, n)).split(rows, groups=sequence))
        else:
            gap = -(-(self.horizon or 1) * len(rows) // np.count_nonzero(used))
            splits = list(TimeSeriesSplit(FOLDS, gap=gap).split(rows))
        best = np.inf
        for theta in windows:
            orders = [self.order]
            if self.order is None:
                orders = orders_for(max(1, round(theta / self.dt)))
            for order in orders:
                m = all_coefficients(x, theta, order, self.dt)[used][rows]
                self._make_hidden(m)
                error = self._forward_error(m, y[used][rows], splits)
                if error < best:
                    best, self.theta_, self.order_ = error, theta, order

    def _forward_error(self, m, y, splits):
        """Mean squared error of other series, or of later parts."""
        states, errors = self._activities(m), []
        for train, test in splits:
            # the strength by leaving out single rows, which is fast
            fitted = ridge(states[train], y[train], np.arange(len(train)), self._alphas)
            errors.append((states[test] @ fitted[0].T + fitted[1] - y[test]) ** 2)
        return np.mean(np.concatenate(errors))

    def _inputs(self, series):
        """The series, or their changes."""
        if self.horizon is None or not self.difference:
            return series
        x, first = series.x.copy(), series.x.shape[1] - series.lengths
        x[:, 1:] -= series.x[:, :-1]
        x[np.arange(len(x)), first] = 0
        return Series(x, series.lengths)

    def predict(self, X: ArrayLike) -> np.ndarray | list[np.ndarray]:
        """
        Predict.

        Parameters
        ----------
        X : as for `fit`
            Series.

        Returns
        -------
        y : ndarray, or list if the series are one and there are values at each step
            In the form of the ``y`` of `fit`. With a horizon, in the form of ``X``: at each
            step, the forecast of the value so many steps later.
        """
        check_is_fitted(self)
        return self._predictions(check_series(self, X, reset=False))

    def _predictions(self, raw, target=None, options=None):
        series = self._inputs(raw)
        at_each_step = self.horizon is not None or self.is_each_step_
        if target is not None or self.is_spiking_:
            y = self._simulated(series, target, options)
            y = y if at_each_step else y[:, -1]
        else:
            x = series.standardized(self.mean_, self.scale_).x
            compute = all_coefficients if at_each_step else end_coefficients
            y = self._answers(compute(x, self.theta_, self.order_, self.dt))
        if not at_each_step:
            return y[:, 0] if self._is_vector else y
        if self.horizon is not None and self.difference:
            y = y + raw.x
        n_steps = y.shape[1]
        if np.any(raw.lengths < n_steps):
            pairs = zip(y, raw.lengths, strict=True)
            return [each[n_steps - length :].T for each, length in pairs]
        if self.horizon is not None and self._is_flat:
            return y[:, :, 0]
        return y.transpose(0, 2, 1)

    def score(self, X: ArrayLike, y: ArrayLike | None = None, sample_weight=None) -> float:
        """
        Coefficient of determination; of forecasts if there is a horizon.

        Parameters
        ----------
        X, y : as for `fit`
            Series, and what should be predicted.
        sample_weight : array_like of shape (n,), optional
            Weights of the series, for values at the end.

        Returns
        -------
        score : float
            1 is perfect; 0 is as good as a constant.
        """
        predicted = self.predict(X)
        if self.horizon is None and not self.is_each_step_:
            return r2_score(y, predicted, sample_weight=sample_weight)
        if self.horizon is None:
            pairs = zip(predicted, y, strict=True)
            parts = [(p, np.asarray(each)) for p, each in pairs]
        else:
            h = self.horizon
            parts = [
                (np.atleast_2d(p)[:, :-h], np.atleast_2d(each)[:, h:])
                for p, each in zip(predicted, X, strict=True)
            ]
        predicted, wanted = (np.hstack(part).T for part in zip(*parts, strict=True))
        return r2_score(wanted, predicted)
