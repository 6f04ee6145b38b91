"""A loss that moves firing rates towards a target."""

import numpy as np
import tensorflow as tf
from nengo.exceptions import ValidationError

from lmu_nengo._validation import check_array, check_non_negative


class FiringRates(tf.losses.Loss):
    """
    Mean squared distance of neurons' mean rates from a target, relative to the target.

    For probes on neurons, together with the loss of the task::

        rates = nengo.Probe(ensemble.neurons)
        sim.compile("adam", loss={output: "mse", rates: FiringRates(0.1)})
        sim.fit(x, {output: y, rates: np.zeros((len(x), 1, 1))})

    Each neuron's rate is its mean over batch and time. NengoDL needs an array of targets
    for every probe with a loss; here its values are ignored.

    Parameters
    ----------
    target : float or tuple of (float, float)
        Rate, or lowest and highest rate, in the probe's units: Hz for neurons of amplitude
        1. `lmu_nengo.to_spiking` multiplies rates by its scale.
    weight : float
        Factor of the loss.

    Raises
    ------
    ValidationError
        If the target is not one or two numbers in ascending order, the last one above 0.

    Examples
    --------
    >>> import numpy as np
    >>> from lmu_nengo.training import FiringRates
    >>> loss = FiringRates((1.0, 4.0))
    >>> rates = np.array([[[0.0, 2.0, 6.0]]])  # batch, steps, neurons
    >>> round(float(loss(np.zeros((1, 1, 1)), rates)), 4)  # (1/16 + 0 + 4/16) / 3
    0.1042
    """

    def __init__(self, target: float | tuple[float, float], weight: float = 1.0):
        super().__init__()
        ends = np.atleast_1d(check_array(target, "target", (...,), obj=type(self)))
        weight = check_non_negative(weight, "weight", unit="", obj=type(self))
        if ends.shape not in ((1,), (2,)) or not 0 <= ends[0] <= ends[-1] or not ends[-1]:
            raise ValidationError(
                "must be one rate above 0, or the lowest and the highest rate, got "
                f"{target!r}.",
                attr="target",
                obj=type(self),
            )
        self.low, self.high = float(ends[0]), float(ends[-1])
        self.weight = weight

    def call(self, y_true, y_pred):
        """Return the loss; ``y_true`` is ignored."""
        rates = tf.reduce_mean(y_pred, axis=(0, 1))
        off = tf.nn.relu(self.low - rates) + tf.nn.relu(rates - self.high)
        return self.weight * tf.reduce_mean((off / self.high) ** 2)
