"""A loss for firing rates."""

import numpy as np
import tensorflow as tf
from nengo.exceptions import ValidationError


class FiringRates(tf.losses.Loss):
    """
    Mean square of how far neurons' mean rates are off a target, over its square.

    For probes on neurons, beside the loss of the task::

        rates = nengo.Probe(ensemble.neurons)
        sim.compile("adam", loss={output: "mse", rates: FiringRates(0.1)})
        sim.fit(x, {output: y, rates: np.zeros((len(x), 1, 1))})

    Each neuron's rate is its mean over batch and time. NengoDL wants an array for every
    probe with a loss; its values are not used.

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
        If the target is not one or two numbers in order, the last one above 0.
    """

    def __init__(self, target, weight=1.0):
        super().__init__()
        ends = np.atleast_1d(np.asarray(target, dtype=np.float64))
        if ends.shape not in ((1,), (2,)) or not 0 <= ends[0] <= ends[-1] or not ends[-1]:
            raise ValidationError(
                f"got {target!r}, expected a rate above 0, or the lowest and the highest.",
                attr="target",
                obj=type(self),
            )
        self.low, self.high = float(ends[0]), float(ends[-1])
        self.weight = weight

    def call(self, y_true, y_pred):
        """Return the loss; ``y_true`` is not used."""
        rates = tf.reduce_mean(y_pred, axis=(0, 1))
        off = tf.nn.relu(self.low - rates) + tf.nn.relu(rates - self.high)
        return self.weight * tf.reduce_mean((off / self.high) ** 2)
