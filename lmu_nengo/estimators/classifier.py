"""A classifier of series."""

from typing import Any

import numpy as np
from nengo.exceptions import ValidationError
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from lmu_nengo.estimators.base import LMUEstimator
from lmu_nengo.estimators.series import check_series, end_coefficients


class LMUClassifier(ClassifierMixin, LMUEstimator):
    """
    Classify series by a Legendre memory, rectified linear neurons and a linear read-out.

    Channels are standardized, the memory holds the last ``theta`` seconds of each as
    ``order`` coefficients, and neurons with random encoders and biases turn these into
    features. Only the read-out is fitted, in closed form: ridge regression of -1 and 1, as
    in `sklearn.linear_model.RidgeClassifier`. The order and the strength of
    regularization have the smallest squared error when one series is left out; there are no
    epochs to stop, and no part of the data has to be kept for validation.

    Parameters
    ----------
    theta : float, optional
        Length of the window in seconds; ``None`` is that of the longest series.
    order : int, optional
        Legendre polynomials per channel; ``None`` chooses from 2, 3, 4, 6, 8, ... 64.
    hidden_d : int
        Number of hidden neurons; with 0 the coefficients are read themselves.
    alpha : float, optional
        Strength of the ridge regression, for each series and unit of mean variance;
        ``None`` chooses from 1e-8 to 100.
    dt : float
        Seconds between two values of a series. With ``dt=1``, ``theta`` counts values.
    random_state : int or RandomState, optional
        Of the neurons' encoders and biases, and of simulations.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels.
    theta_, order_, alpha_ : float, int, float
        Window, order and strength in use.
    error_ : float
        Mean squared error of the outputs when one series is left out.
    mean_, scale_ : ndarray of shape (n_channels,)
        Of the training data.
    network_ : nengo.Network
        The network, with ``input``, ``memory``, ``hidden``, ``output`` and ``probe``. Its
        input takes values as they are; a step of 1 ms is one of them.
    n_features_in_ : int
        Number of channels of three-dimensional arrays and lists, of time points of
        two-dimensional arrays.

    Raises
    ------
    ValidationError
        From `fit`, if an argument is out of range.

    References
    ----------
    Eliasmith and Anderson, "Neural Engineering", 2003 (random encoders, solved decoders).

    Examples
    --------
    Series that rise or fall, of 20 to 30 values:

    >>> import numpy as np
    >>> from lmu_nengo.estimators import LMUClassifier
    >>> rng = np.random.RandomState(0)
    >>> X, y = [], rng.randint(2, size=60)
    >>> for label in y:
    ...     t = np.linspace(-1, 1, rng.randint(20, 30))
    ...     X.append((2 * label - 1) * 2 * t[None] + rng.randn(1, len(t)))
    >>> classifier = LMUClassifier(random_state=0).fit(X[:40], y[:40])
    >>> classifier.score(X[40:], y[40:])
    1.0
    >>> classifier.network_.memory.order == classifier.order_
    True
    """

    def __init__(
        self,
        theta: float | None = None,
        order: int | None = None,
        hidden_d: int = 500,
        alpha: float | None = None,
        dt: float = 0.001,
        random_state: Any = None,
    ):
        self.theta = theta
        self.order = order
        self.hidden_d = hidden_d
        self.alpha = alpha
        self.dt = dt
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> "LMUClassifier":
        """
        Fit to labeled series.

        Parameters
        ----------
        X : array_like of shape (n, n_timepoints) or (n, n_channels, n_timepoints), or list
            Series; a list has arrays of shape (n_channels, n_timepoints), which may differ
            in length.
        y : array_like of shape (n,)
            Labels.

        Returns
        -------
        self : LMUClassifier
            The classifier.
        """
        series = self._start(X)
        y = self._labels(series, y)
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise ValidationError(
                f"must have at least 2 classes, got one class: {self.classes_[0]!r}.",
                attr="y",
                obj=type(self),
            )
        self._fit_ends(series.x, self._signs(y))
        return self

    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None
    ) -> "LMUClassifier":
        """
        Fit to more series; window, order, strength and neurons stay as first chosen.

        Parameters
        ----------
        X, y : as for `fit`
            Further series.
        classes : array_like of shape (n_classes,), optional
            All labels, in the first call; ``None`` is those of ``y``.

        Returns
        -------
        self : LMUClassifier
            The classifier.
        """
        if not hasattr(self, "classes_"):
            series = self._start(X)
            y = self._labels(series, y)
            self.classes_ = np.unique(y if classes is None else classes)
            self._check_known(y)
            self._fit_ends(series.x, self._signs(y))
            return self
        series = self._start(X, reset=False)
        y = self._labels(series, y)
        self._check_known(y)
        m = end_coefficients(series.x, self.theta_, self.order_, self.dt)
        self._count(self._activities(m), self._signs(y))
        self._resolve()
        return self

    def _labels(self, series, y):
        """Checked labels."""
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        check_consistent_length(series.x, y)
        return y

    def _check_known(self, y):
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValidationError(
                f"has labels that are not among the classes: {list(unknown)}. Pass all "
                "labels as classes in the first call of partial_fit.",
                attr="y",
                obj=type(self),
            )

    def _signs(self, y):
        """1 for the class of each series and -1 for the others."""
        return np.where(y[:, None] == self.classes_, 1.0, -1.0)

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """
        Outputs at the end of each series.

        Parameters
        ----------
        X : as for `fit`
            Series.

        Returns
        -------
        scores : ndarray of shape (n, n_classes), or (n,) for two classes
            The highest one is the decision; for two classes, the second's minus the
            first's, halved.
        """
        check_is_fitted(self)
        scores = self._scores(check_series(self, X, reset=False))
        if len(self.classes_) == 2:
            return (scores[:, 1] - scores[:, 0]) / 2
        return scores

    def predict(self, X: ArrayLike) -> np.ndarray:
        """
        Classify series.

        Parameters
        ----------
        X : as for `fit`
            Series.

        Returns
        -------
        labels : ndarray of shape (n,)
            Labels.
        """
        check_is_fitted(self)
        return self._predictions(check_series(self, X, reset=False))

    def _predictions(self, series, target=None, options=None):
        scores = self._scores(series, target, options)
        return self.classes_[scores.argmax(axis=1)]

    def _scores(self, series, target=None, options=None):
        if target is not None or self.is_spiking_:
            return self._simulated(series, target, options)[:, -1]
        x = series.standardized(self.mean_, self.scale_).x
        return self._answers(end_coefficients(x, self.theta_, self.order_, self.dt))
