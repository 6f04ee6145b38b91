"""A long short-term memory, for hybrids and for comparison."""

from collections.abc import Callable, Mapping

import nengo
import numpy as np
from nengo.exceptions import ValidationError
from nengo.params import Default
from numpy.typing import ArrayLike

from lmu_nengo._nengo import plain_config
from lmu_nengo._validation import check_flag, check_integer
from lmu_nengo.layers.initializers import Glorot, check_weights, make_weights
from lmu_nengo.memory.exact import Linear
from lmu_nengo.memory.realization import RealizableNetwork, Realization
from lmu_nengo.processes.sequence import Sequence


class LSTM(RealizableNetwork):
    """
    A layer of long short-term memory cells.

    In step ``t``, with input ``x``; the rows of ``W``, ``U`` and ``b`` belong to the gates
    i, f, g, o in this order::

        i, f, g, o = W x[t] + U h[t-1] + b
        c[t] = sigmoid(f) c[t-1] + sigmoid(i) tanh(g)
        h[t] = sigmoid(o) tanh(c[t])

    Parameters
    ----------
    input_d : int
        Size of the input.
    hidden_d : int
        Number of cells, and size of the output ``h``.
    kernel, recurrent_kernel : array or Distribution, optional
        ``W`` and ``U`` of shapes (4 * hidden_d, input_d) and (4 * hidden_d, hidden_d); by
        default drawn after Glorot and Bengio.
    bias : array or Distribution, optional
        ``b`` of shape (4 * hidden_d,); by default 1 for the forget gate, else 0.
    realization : Linear or Windowed, optional
        ``Windowed`` for training; ``None`` is ``Linear()``, step by step. `Spiking` leaves
        it step by step as well: an LSTM has no memory that neurons could hold.
    label : str, optional
        Name of the network.
    seed : int, optional
        Seed of the weights that are drawn. By default it follows from the seed of the
        network around.
    add_to_container : bool, optional
        As for `nengo.Network`.

    Attributes
    ----------
    input, output : nengo.Node
        The input ``x`` and the hidden state ``h``.
    weights : dict of {str: ndarray}
        ``kernel``, ``recurrent_kernel`` and ``bias``.

    Raises
    ------
    ValidationError
        If an argument is out of range, or an array's shape is wrong.

    See Also
    --------
    LMUCell : The Legendre Memory Unit.

    Notes
    -----
    It is trained in the ``Windowed`` realization only.

    References
    ----------
    Hochreiter and Schmidhuber, "Long Short-Term Memory", Neural Computation 1997; forget
    gates after Gers, Schmidhuber and Cummins, 2000.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo import LSTM
    >>> with nengo.Network(seed=0) as model:
    ...     lstm = LSTM(2, 5)
    >>> lstm.input.size_in, lstm.output.size_out
    (2, 5)
    >>> {name: weights.shape for name, weights in lstm.weights.items()}
    {'kernel': (20, 2), 'recurrent_kernel': (20, 5), 'bias': (20,)}
    """

    def __init__(
        self,
        input_d: int,
        hidden_d: int,
        kernel: ArrayLike | nengo.dists.Distribution = Default,
        recurrent_kernel: ArrayLike | nengo.dists.Distribution = Default,
        bias: ArrayLike | nengo.dists.Distribution = Default,
        realization: Realization | None = None,
        label: str | None = None,
        seed: int | None = None,
        add_to_container: bool | None = None,
    ):
        input_d = check_integer(input_d, "input_d", obj=type(self))
        hidden_d = check_integer(hidden_d, "hidden_d", obj=type(self))
        check_flag(add_to_container, "add_to_container", allow_none=True, obj=type(self))
        realization = self._make(Linear() if realization is None else realization)
        n_gates = 4 * hidden_d
        if bias is Default:
            bias = np.repeat([0, 1, 0, 0], hidden_d)
        given = {
            "kernel": (kernel, (n_gates, input_d)),
            "recurrent_kernel": (recurrent_kernel, (n_gates, hidden_d)),
            "bias": (bias, (n_gates,)),
        }
        given = {
            name: (Glorot() if value is Default else value, shape)
            for name, (value, shape) in given.items()
        }
        weights = make_weights(given, seed, obj=type(self))
        super().__init__(label=label, seed=seed, add_to_container=add_to_container)
        self.sequence = LSTMSequence(weights)
        with plain_config(), self:
            self.input = nengo.Node(size_in=input_d, label="input")
            self.output = nengo.Node(size_in=hidden_d, label="output")
            cells = nengo.Node(self.sequence, label="lstm")
            nengo.Connection(self.input, cells, synapse=None)
            nengo.Connection(cells, self.output, synapse=None)
        self.realization = realization

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """
        Present value of each weight.

        To change them, assign a dictionary with the same names and shapes.
        """
        return dict(self.sequence.parameters)

    @weights.setter
    def weights(self, weights: Mapping[str, ArrayLike]) -> None:
        present = self.weights
        if weights.keys() != present.keys():
            raise ValidationError(
                f"must have the names {sorted(present)}, got {sorted(weights)}.",
                attr="weights",
                obj=self,
            )
        self.sequence.parameters = {
            name: check_weights(value, present[name].shape, name, obj=self)
            for name, value in weights.items()
        }

    def _make(self, realization):
        if not isinstance(realization, Realization):
            raise ValidationError(
                f"must be Linear(), Windowed(n_steps) or Spiking(), got {realization!r}.",
                attr="realization",
                obj=type(self),
            )
        # there is nothing in it that neurons could hold
        return realization if realization.is_windowed else Linear()

    def _swap(self, realization, inside):
        self.realization = inside


class LSTMSequence(Sequence):
    """
    The cells of an `LSTM`, one step or all steps at once.

    Parameters
    ----------
    weights : dict of {str: ndarray}
        ``kernel``, ``recurrent_kernel`` and ``bias``.
    """

    def __init__(self, weights):
        n_gates, input_d = weights["kernel"].shape
        super().__init__(input_d, n_gates // 4, weights, weights)
        self.state_d = n_gates // 2

    def make_state(self, shape_in, shape_out, dt, dtype=None):
        """Hidden and cell state, zero."""
        return {name: np.zeros(shape_out, dtype=dtype) for name in ("h", "c")}

    def make_step(self, shape_in, shape_out, dt, rng, state):
        """Go one step."""
        W, U, b = (self.parameters[k] for k in ("kernel", "recurrent_kernel", "bias"))
        h, c = state["h"], state["c"]

        def step(t, x):
            i, f, g, o = np.split(W @ x + U @ h + b, 4)
            c[...] = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h[...] = sigmoid(o) * np.tanh(c)
            return h

        return step

    def make_jax_step(
        self, shape_in: tuple[int, ...], shape_out: tuple[int, ...], dt: float
    ) -> Callable:
        """Do the same in `lmu_nengo.engine`."""
        import jax
        import jax.numpy as jnp

        W, U, b = (
            jnp.asarray(self.parameters[k]) for k in ("kernel", "recurrent_kernel", "bias")
        )

        def step(t, x, h, c):
            i, f, g, o = jnp.split(W @ x + U @ h + b, 4)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return h, {"h": h, "c": c}

        return step


def sigmoid(x):
    """Logistic function."""
    return 0.5 * (1 + np.tanh(0.5 * x))
