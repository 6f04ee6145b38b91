"""A linear read-out."""

import nengo
import numpy as np
from nengo.exceptions import ValidationError
from numpy.typing import ArrayLike

from lmu_nengo._nengo import add_to_context, plain_config
from lmu_nengo._validation import check_array


class Readout(nengo.Network):
    """
    A linear read-out with a bias: ``output = weights @ input + bias``.

    Both are ordinary connections, which NengoDL trains if they are to be trained on.

    Parameters
    ----------
    weights : array_like of shape (size_out, size_in)
        Weights of the input.
    bias : array_like of shape (size_out,)
        Added to the output.
    label : str, optional
        Name of the network.
    add_to_container : bool, optional
        As for `nengo.Network`.

    Attributes
    ----------
    input, output : nengo.Node
        Its ends.
    weights, bias : ndarray of shape (size_out, size_in) and (size_out,)
        The present ones.
    alpha : float or None
        Strength of the regularization that `fit_readout` has chosen, for each row and unit
        of the states' mean variance.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo.layers import Readout
    >>> with nengo.Network() as network:
    ...     readout = Readout([[1.0, 2.0]], bias=[0.5])
    ...     source = nengo.Node([1.0, 1.0])
    ...     connection = nengo.Connection(source, readout.input, synapse=None)
    ...     probe = nengo.Probe(readout.output)
    >>> with nengo.Simulator(network, progress_bar=False) as sim:
    ...     sim.run(0.001)
    >>> sim.data[probe]
    array([[3.5]])
    """

    def __init__(
        self,
        weights: ArrayLike,
        bias: ArrayLike,
        label: str | None = "readout",
        add_to_container: bool | None = None,
    ):
        shape = "size_out", "size_in"
        weights = check_array(weights, "weights", shape, obj=type(self))
        bias = check_array(bias, "bias", (...,), obj=type(self))
        if bias.shape != weights.shape[:1]:
            raise ValidationError(
                "must be of shape (size_out,) for weights of shape (size_out, size_in), "
                f"got {bias.shape} for {weights.shape}.",
                attr="bias",
                obj=type(self),
            )
        super().__init__(label=label, add_to_container=False)
        self.alpha = None
        with plain_config(), self:
            self.input = nengo.Node(size_in=weights.shape[1], label="input")
            self.output = nengo.Node(size_in=len(weights), label="output")
            one = nengo.Node([1.0], label="one")
            connect = nengo.Connection
            self._weights = connect(
                self.input, self.output, transform=weights, synapse=None
            )
            self._bias = connect(one, self.output, transform=bias[:, None], synapse=None)
        add_to_context(self, add_to_container)

    @property
    def weights(self) -> np.ndarray:
        """Weights of shape (size_out, size_in)."""
        return self._weights.transform.init

    @property
    def bias(self) -> np.ndarray:
        """Bias of shape (size_out,)."""
        return self._bias.transform.init[:, 0]
