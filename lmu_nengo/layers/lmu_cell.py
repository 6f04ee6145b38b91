"""The paper's recurrent cell: a Legendre memory and a hidden state that may feed back."""

from collections.abc import Callable, Iterable, Mapping

import nengo
import numpy as np
from nengo.exceptions import ValidationError
from nengo.params import BoolParam, Default
from numpy.typing import ArrayLike

from lmu_nengo._nengo import plain_config
from lmu_nengo._validation import check_flag, check_integer, show
from lmu_nengo.layers.initializers import Glorot, check_weights, make_weights
from lmu_nengo.memory.network import LegendreMemory
from lmu_nengo.memory.realization import RealizableNetwork, Realization
from lmu_nengo.processes.tensor_function import TensorFunction

FEEDBACK = ("hidden_encoders", "memory_encoders", "hidden_kernel")
STATE_SPACE = ("theta", "A", "B")
Weights = ArrayLike | nengo.dists.Distribution | None


class LMUCell(RealizableNetwork):
    """
    The Legendre Memory Unit: a memory, a hidden state, and every path between them.

    In step ``t``, with input ``x``::

        u[t] = e_x x[t] + e_h h[t-1] + e_m m[t-1]
        m[t] = Ad m[t-1] + Bd u[t]
        h[t] = f(W_x x[t] + W_h h[t-1] + W_m m[t] + b)

    Parameters
    ----------
    input_d : int
        Size of the input ``x``.
    memory_d : int
        Channels of the memory.
    theta : float
        Length of the window in seconds, at least ``dt``.
    order : int
        Legendre polynomials per channel.
    hidden_d : int
        Size of the hidden state ``h``.
    input_encoders, hidden_encoders, memory_encoders : array or Distribution, optional
        ``e_x, e_h, e_m`` of shapes (memory_d, input_d), (memory_d, hidden_d),
        (memory_d, memory_d * order). ``None`` leaves the path out. By default ``e_x`` is
        drawn after Glorot and Bengio, the other two are absent.
    input_kernel, hidden_kernel, memory_kernel : array or Distribution, optional
        ``W_x, W_h, W_m`` of shapes (hidden_d, input_d), (hidden_d, hidden_d),
        (hidden_d, memory_d * order); by default ``W_m`` is drawn, the others are absent.
    bias : array or Distribution, optional
        ``b`` of shape (hidden_d,); zeros by default, ``None`` leaves it out.
    hidden_type : NeuronType or callable, optional
        ``f``: a Nengo neuron type, or a function of a tensor such as ``tf.nn.gelu``, or
        ``jax.nn.gelu`` for `lmu_nengo.training.Trainer`. By default tanh,
        ``nengo.Tanh(tau_ref=1)``.
    trainable : iterable of str or bool, optional
        Which of the above are trained, by name, and no others, whatever the network
        around configures; besides them ``"theta"``, ``"A"`` and ``"B"``. True means all
        paths that are present, False nothing. By default all paths, unless NengoDL is
        configured otherwise for the network around.
    start : bool
        Whether there is a node ``.start``, whose input is added to ``m``.
    realization : Linear or Windowed or Spiking, optional
        How the memory is computed; ``None`` is ``Linear()``.
    dt : float
        Simulation step in seconds for which the cell is made.
    label : str, optional
        Name of the network.
    seed : int, optional
        Seed of the weights that are drawn. By default it follows from the seed of the
        network around the cell.
    add_to_container : bool, optional
        As for `nengo.Network`.

    Attributes
    ----------
    input, u, m, h, output : nengo.Node
        The input ``x``, the memory's input, the memory, the hidden state, and the output,
        which is the hidden state.
    start : nengo.Node or None
        Added to the memory; of size memory_d * order.
    memory : LegendreMemory
        The memory; its realization is that of the cell.
    hidden : nengo.Ensemble or nengo.Node
        Computes ``f``.
    activity : nengo.Connection
        From there to ``h``.
    paths : dict of {str: nengo.Connection}
        The connections with weights, by name.

    Raises
    ------
    ValidationError
        If an argument is out of range, or an array's shape is wrong.

    See Also
    --------
    lmu_nengo.LegendreMemory : The memory alone.
    lmu_nengo.Stack : Layers one after another.

    Notes
    -----
    With ``Windowed`` all steps are computed at once where nothing feeds back; where
    ``e_h``, ``e_m`` or ``W_h`` do, or ``theta``, ``A`` or ``B`` are trained, one operator
    iterates over the steps. ``lmu_nengo.training.Trainer.path_reason`` says which. The
    bias ``b`` is not in the paper's equations.

    References
    ----------
    Voelker, Kajić and Eliasmith, "Legendre Memory Units: Continuous-Time
    Representation in Recurrent Neural Networks", NeurIPS 2019, equations 5 to 7.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo import LMUCell
    >>> with nengo.Network(seed=0) as model:
    ...     x = nengo.Node([1, 0])
    ...     cell = LMUCell(2, memory_d=1, theta=0.1, order=6, hidden_d=10)
    ...     connection = nengo.Connection(x, cell.input, synapse=None)
    ...     probe = nengo.Probe(cell.output)
    >>> with nengo.Simulator(model, progress_bar=False) as sim:
    ...     sim.run(0.05)
    >>> sim.data[probe].shape
    (50, 10)
    >>> {name: weights.shape for name, weights in cell.weights.items()}
    {'input_encoders': (1, 2), 'memory_kernel': (10, 6), 'bias': (10,), 'theta': (1,), \
'A': (6, 6), 'B': (6, 1)}
    """

    def __init__(
        self,
        input_d: int,
        *,
        memory_d: int,
        theta: float,
        order: int,
        hidden_d: int,
        input_encoders: Weights = Default,
        hidden_encoders: Weights = None,
        memory_encoders: Weights = None,
        input_kernel: Weights = None,
        hidden_kernel: Weights = None,
        memory_kernel: Weights = Default,
        bias: Weights = Default,
        hidden_type: nengo.neurons.NeuronType | Callable | None = None,
        trainable: Iterable[str] | bool | None = None,
        start: bool = False,
        realization: Realization | None = None,
        dt: float = 0.001,
        label: str | None = None,
        seed: int | None = None,
        add_to_container: bool | None = None,
    ):
        # all that can be refused comes before anything is added to a network
        input_d = check_integer(input_d, "input_d", obj=type(self))
        hidden_d = check_integer(hidden_d, "hidden_d", obj=type(self))
        for attr, value in (("start", start), ("add_to_container", add_to_container)):
            check_flag(value, attr, allow_none=attr != "start", obj=type(self))
        with plain_config():
            memory = LegendreMemory(
                theta, order, memory_d, dt=dt, start=start, add_to_container=False
            )
        sizes = {"input": input_d, "hidden": hidden_d, "memory": memory.output.size_in}
        given = {
            "input_encoders": input_encoders,
            "hidden_encoders": hidden_encoders,
            "memory_encoders": memory_encoders,
            "input_kernel": input_kernel,
            "hidden_kernel": hidden_kernel,
            "memory_kernel": memory_kernel,
            "bias": np.zeros(hidden_d) if bias is Default else bias,
        }
        present = {}
        for path, value in given.items():
            pre, _, kind = path.partition("_")
            rows = memory.memory_d if kind == "encoders" else hidden_d
            shape = (rows,) if path == "bias" else (rows, sizes[pre])
            if value is not None:
                present[path] = (Glorot() if value is Default else value, shape)
        self.trainable = check_trainable(trainable, present, type(self))
        self._names_trainable = trainable is not None
        hidden_type = nengo.Tanh(tau_ref=1) if hidden_type is None else hidden_type
        if not (isinstance(hidden_type, nengo.neurons.NeuronType) or callable(hidden_type)):
            raise ValidationError(
                "must be a Nengo neuron type or a function of a tensor, got "
                f"{hidden_type!r}.",
                attr="hidden_type",
                obj=type(self),
            )
        if realization is not None:
            check_trained_state_space(self.trainable, realization, type(self))
            memory.realize(realization)
        weights = make_weights(present, seed, obj=type(self))

        super().__init__(label=label, seed=seed, add_to_container=add_to_container)
        self.input_d = input_d
        self.hidden_d = hidden_d
        self.hidden_type = hidden_type
        self.memory = memory
        self.dt = memory.dt
        with plain_config(), self:
            self.input = nengo.Node(size_in=input_d, label="input")
            self.u = nengo.Node(size_in=memory.memory_d, label="u")
            self.m = nengo.Node(size_in=memory.output.size_in, label="m")
            self.h = nengo.Node(size_in=hidden_d, label="h")
            self.output = nengo.Node(size_in=hidden_d, label="output")
            self.start = None
            if start:
                self.start = nengo.Node(size_in=memory.output.size_in, label="start")
            nengo.Connection(self.h, self.output, synapse=None)
            self.networks.append(memory)
            self._connect(weights)
        self._configure_training()

    def _connect(self, weights):
        """Add the hidden layer, and connect it and the memory."""
        self._has_bias = "bias" in weights
        is_neurons = isinstance(self.hidden_type, nengo.neurons.NeuronType)
        if is_neurons:
            self.hidden = nengo.Ensemble(
                self.hidden_d,
                1,
                neuron_type=self.hidden_type,
                gain=np.ones(self.hidden_d),
                bias=weights.get("bias", np.zeros(self.hidden_d)),
                label="hidden",
            )
            current = activity = self.hidden.neurons
        else:
            process = TensorFunction(self.hidden_type, self.hidden_d)
            current = activity = self.hidden = nengo.Node(process, label="hidden")
        ends = {
            "input_encoders": (self.input, self.u),
            "hidden_encoders": (self.h, self.u),
            "memory_encoders": (self.m, self.u),
            "input_kernel": (self.input, current),
            "hidden_kernel": (self.h, current),
            "memory_kernel": (self.m, current),
        }
        if not is_neurons:
            ends["bias"] = (nengo.Node([1], label="one"), current)
        self.paths = {}
        for name, (pre, post) in ends.items():
            if name in weights:
                transform = weights[name].reshape(post.size_in, -1)
                # what feeds back arrives in the next step
                synapse = 0 if name in FEEDBACK else None
                self.paths[name] = nengo.Connection(
                    pre, post, transform=transform, synapse=synapse, label=name
                )
        nengo.Connection(self.u, self.memory.input, synapse=None)
        nengo.Connection(self.memory.output, self.m, synapse=None)
        self.activity = nengo.Connection(activity, self.h, synapse=None)
        if self.start is not None:
            nengo.Connection(self.start, self.memory.start, synapse=None)

    def _configure_training(self):
        """Tell NengoDL what is not trained."""
        for kind in (nengo.Connection, nengo.Ensemble, nengo.ensemble.Neurons):
            if kind not in self.config.params:
                self.config.configures(kind)
            self.config[kind].set_param(
                "trainable", BoolParam("trainable", default=None, optional=True)
            )
        parts = dict(self.paths)
        if isinstance(self.hidden, nengo.Ensemble):
            parts["bias"] = self.hidden
        for name, part in parts.items():
            is_trained = name in self.trainable
            if self._names_trainable or not is_trained:
                self.config[part].trainable = is_trained

    @property
    def realization(self) -> Realization:
        """The present realization, which is that of the memory."""
        return self.memory.realization

    def _make(self, realization):
        check_trained_state_space(self.trainable, realization, self)
        return self.memory._make(realization)

    def _swap(self, realization, inside):
        self.memory._swap(realization, inside)

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """
        Present value of each path, of ``theta``, and of ``A`` and ``B`` (``theta`` = 1 s).

        To change them, assign a dictionary with the same names and shapes.
        """
        weights = {}
        for name, conn in self.paths.items():
            shape = (conn.post_obj.size_in, conn.pre_obj.size_out)
            weights[name] = np.reshape(conn.transform.init, shape)
        if isinstance(self.hidden, nengo.Ensemble):
            if self._has_bias:
                # a spiking cell's gain is the scale of its firing rates
                weights["bias"] = self.hidden.bias / self.hidden.gain
        elif "bias" in weights:
            weights["bias"] = weights["bias"][:, 0]
        A, B = self.memory.matrices
        return {**weights, "theta": np.array([self.memory.theta]), "A": A, "B": B}

    @weights.setter
    def weights(self, weights: Mapping[str, ArrayLike]) -> None:
        present = self.weights
        if weights.keys() != present.keys():
            raise ValidationError(
                f"must have the names {sorted(present)}, got {sorted(weights)}.",
                attr="weights",
                obj=self,
            )
        weights = {
            name: check_weights(value, present[name].shape, name, obj=self)
            for name, value in weights.items()
        }
        for name, conn in self.paths.items():
            conn.transform = weights[name].reshape(conn.post_obj.size_in, -1)
        if isinstance(self.hidden, nengo.Ensemble) and self._has_bias:
            self.hidden.bias = weights["bias"] * self.hidden.gain
        if not all(np.array_equal(weights[name], present[name]) for name in STATE_SPACE):
            self.memory.set_state_space(*(weights[name] for name in STATE_SPACE))
            self.memory.realize(self.memory.realization)

    @property
    def feedback(self) -> str:
        """Why the steps must be computed one after another; empty if they need not."""
        names = [name for name in FEEDBACK if name in self.paths]
        reasons = [f"{', '.join(names)} feed back"] if names else []
        trained = [name for name in STATE_SPACE if name in self.trainable]
        if trained:
            reasons.append(f"{', '.join(trained)} trained")
        if self.start is not None:
            reasons.append("its memory is started from outside")
        return " and ".join(reasons)


def check_trainable(trainable, paths, obj):
    """Names of what is trained, checked; all paths by default."""
    allowed = [*paths, *STATE_SPACE]
    if trainable is None or trainable is True:
        return frozenset(paths)
    if trainable is False:
        return frozenset()
    if not isinstance(trainable, (list, tuple, set, frozenset)):
        raise ValidationError(
            f"must be a list of some of {allowed}, or True or False, got "
            f"{show(trainable)}.",
            attr="trainable",
            obj=obj,
        )
    for name in (names := frozenset(map(str, trainable))):
        if name not in allowed:
            raise ValidationError(
                f"must name some of {allowed}, got {name!r}. A path that is None cannot be "
                "trained.",
                attr="trainable",
                obj=obj,
            )
    return names


def check_trained_state_space(trainable, realization, obj):
    """Raise ValidationError unless theta, A and B can be trained in a realization."""
    trained = [name for name in STATE_SPACE if name in trainable]
    is_windowed = isinstance(realization, Realization) and realization.is_windowed
    if trained and is_windowed and realization.discretizer != "zoh":
        raise ValidationError(
            f"must be 'zoh' where {', '.join(trained)} are trained, got "
            f"{realization.discretizer!r}.",
            attr="discretizer",
            obj=obj,
        )
