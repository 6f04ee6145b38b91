"""What classifier and regressor share: memory, hidden layer, read-out in closed form."""

import numbers
from typing import Any

import numpy as np
from nengo.exceptions import ValidationError
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from lmu_nengo._validation import check_integer, check_memory, check_positive, check_seed
from lmu_nengo.conversion.linear_fit import ALPHAS, ridge
from lmu_nengo.estimators.choices import orders_for
from lmu_nengo.estimators.deployment import Deployed
from lmu_nengo.estimators.series import channel_scale, check_series, end_coefficients

MAX_ROWS = 5000  # from which window and order are chosen


class LMUEstimator(BaseEstimator, Deployed):
    """
    Base of the estimators: exact coefficients, rectified linear neurons, a linear read-out.

    The neurons have random encoders and biases, as ensembles in the Neural Engineering
    Framework do; only the read-out is fitted, by ridge regression. Without neurons it reads
    the coefficients themselves.
    """

    def _start(self, X, reset=True):
        """Check arguments, and return standardized series and a random state."""
        check_integer(self.hidden_d, "hidden_d", low=0, obj=type(self))
        shape = self.hidden_d, self.hidden_d
        advice = "Use fewer hidden neurons."
        what = "products of activities"
        check_memory(shape, what, "hidden_d", advice, obj=type(self))
        if isinstance(self.random_state, numbers.Integral):
            check_seed(self.random_state, "random_state", obj=type(self))
        check_positive(self.dt, "dt", obj=type(self))
        for name in ("theta", "alpha"):
            if getattr(self, name) is not None:
                check_positive(getattr(self, name), name, obj=type(self))
        if self.order is not None:
            check_integer(self.order, "order", obj=type(self))
        series = check_series(self, X, reset=reset)
        if reset:
            self.mean_, self.scale_ = channel_scale(series)
            self.random_ = check_random_state(self.random_state).randint(2**31)
        return series.standardized(self.mean_, self.scale_)

    @property
    def _alphas(self):
        return ALPHAS if self.alpha is None else (self.alpha,)

    def _fit_ends(self, x, y):
        """Choose the order, and fit answers (n, size_out) at the end of ``x``."""
        if len(x) < 2:
            raise ValidationError(
                "must have at least 2 series, got n_samples = 1.", attr="X", obj=type(self)
            )
        self.theta_ = x.shape[1] * self.dt if self.theta is None else self.theta
        orders = [self.order]
        if self.order is None:
            orders = orders_for(max(1, round(self.theta_ / self.dt)))
        rows = np.random.RandomState(self.random_).permutation(len(x))[:MAX_ROWS]
        errors = [self._try(x[rows], y[rows], order) for order in orders]
        self.order_ = orders[int(np.argmin(errors))]
        m = end_coefficients(x, self.theta_, self.order_, self.dt)
        self._make_hidden(m)
        self._solve(m, y, np.arange(len(m)))

    def _try(self, x, y, order):
        """Error in cross-validation at an order."""
        m = end_coefficients(x, self.theta_, order, self.dt)
        self._make_hidden(m)
        return ridge(self._activities(m), y, np.arange(len(m)), self._alphas)[3]

    def _make_hidden(self, m):
        """Draw the neurons' encoders and biases; inputs have a variance of about 1."""
        if not self.hidden_d:
            self.encoders_ = self.biases_ = None
            return
        rng = np.random.RandomState(self.random_)
        encoders = rng.randn(self.hidden_d, m.shape[1])
        encoders /= np.linalg.norm(encoders, axis=1, keepdims=True)
        mean = m.mean(axis=0)
        encoders /= np.sqrt(np.mean((m - mean) ** 2)) or 1.0
        self.encoders_ = encoders
        self.biases_ = rng.uniform(-1, 1, self.hidden_d) - encoders @ mean

    def _activities(self, m):
        """What the read-out reads, for coefficients."""
        if self.encoders_ is None:
            return m
        return np.maximum(m @ self.encoders_.T + self.biases_, 0)

    def _solve(self, m, y, sequence):
        """Fit the read-out to rows of coefficients and answers."""
        states = self._activities(m)
        self.coef_, self.intercept_, self.alpha_, self.error_ = ridge(
            states, y, sequence, self._alphas
        )
        self._count(states, y, first=True)
        self._make_network()

    def _count(self, states, y, first=False):
        """Add rows to the moments from which `_resolve` finds the read-out."""
        rows = np.hstack([np.ones((len(states), 1)), states])
        moments = rows.T @ rows, rows.T @ y
        if not first:
            moments = tuple(a + b for a, b in zip(self._moments, moments, strict=True))
        self._moments = moments

    def _resolve(self, noise=0.0):
        """
        Fit the read-out to all rows so far, at the same strength.

        Noise of a variance in each state acts as a stronger regularization.
        """
        (gram, cross), n = self._moments, self._moments[0][0, 0]
        mean, mean_y = gram[0, 1:] / n, cross[0] / n
        covariance = gram[1:, 1:] / n - np.outer(mean, mean)
        strength = self.alpha_ * (np.trace(covariance) / len(covariance) or 1.0)
        covariance[np.diag_indices_from(covariance)] += strength + noise
        covariance_y = cross[1:] / n - np.outer(mean, mean_y)
        self.coef_ = np.linalg.solve(covariance, covariance_y).T
        self.intercept_ = mean_y - self.coef_ @ mean
        self._make_network()

    def _answers(self, m):
        """Outputs (..., size_out) for coefficients (..., n_channels * order)."""
        return self._activities(m) @ self.coef_.T + self.intercept_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
