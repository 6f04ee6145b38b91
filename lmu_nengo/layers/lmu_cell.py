"""The paper's recurrent cell: a Legendre memory and a hidden state that may feed back."""

import nengo
import numpy as np
from nengo.exceptions import ValidationError
from nengo.params import BoolParam, Default

from lmu_nengo._nengo import plain_config
from lmu_nengo._validation import check_integer
from lmu_nengo.layers.initializers import Glorot, check_weights, seed_of
from lmu_nengo.layers.lmu_cell_sequence import STATE_SPACE, CellSequence
from lmu_nengo.memory.exact import Windowed
from lmu_nengo.memory.network import LegendreMemory
from lmu_nengo.memory.realization import RealizableNetwork
from lmu_nengo.processes.tensor_function import TensorFunction

PATHS = (
    "input_encoders",
    "hidden_encoders",
    "memory_encoders",
    "input_kernel",
    "hidden_kernel",
    "memory_kernel",
    "bias",
)
FEEDBACK = ("hidden_encoders", "memory_encoders", "hidden_kernel")


class LMUCell(RealizableNetwork):
    """
    The Legendre Memory Unit: a memory, a hidden state, and every path between them.

    In each step, with input ``x``::

        u = e_x x + e_h h + e_m m          (h, m of the step before)
        m = Ad m + Bd u
        h = f(W_x x + W_h h + W_m m + b)   (h of the step before, m of this one)

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
        ``f``: a Nengo neuron type, or a function of a TensorFlow tensor such as
        ``tf.nn.gelu``. By default tanh, ``nengo.Tanh(tau_ref=1)``.
    trainable : iterable of str, optional
        Which are trained, by the names above; besides them ``"theta"``, ``"A"`` and
        ``"B"``. By default all paths that are there, and none of these three.
    start : bool
        Whether there is a node ``.start``; what it gets is added to ``m``.
    realization : Linear or Windowed or Spiking, optional
        How the memory is computed; ``None`` is ``Linear()``.
    dt : float
        Step in seconds for which the cell is made.
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
        The memory, realized step by step.
    hidden : nengo.Ensemble or nengo.Node
        What computes ``f``.
    activity : nengo.Connection
        From there to ``h``.
    weights : dict of {str: ndarray}
        All paths that are there, ``theta``, and ``A`` and ``B`` (of ``theta`` = 1 s).

    Raises
    ------
    ValidationError
        If an argument is out of range, or an array's shape is wrong.

    Notes
    -----
    With ``Windowed`` all steps are computed at once where nothing feeds back; where
    ``e_h``, ``e_m`` or ``W_h`` do, or ``theta``, ``A`` or ``B`` are trained, one operator
    goes through the steps. ``lmu_nengo.training.Simulator.path_reason`` says which.

    References
    ----------
    Voelker, Kajić and Eliasmith, "Legendre Memory Units: Continuous-Time
    Representation in Recurrent Neural Networks", NeurIPS 2019, equations 5 to 7.
    """

    def __init__(
        self,
        input_d,
        *,
        memory_d,
        theta,
        order,
        hidden_d,
        input_encoders=Default,
        hidden_encoders=None,
        memory_encoders=None,
        input_kernel=None,
        hidden_kernel=None,
        memory_kernel=Default,
        bias=Default,
        hidden_type=None,
        trainable=None,
        start=False,
        realization=None,
        dt=0.001,
        label=None,
        seed=None,
        add_to_container=None,
    ):
        input_d = check_integer(input_d, "input_d", obj=type(self))
        hidden_d = check_integer(hidden_d, "hidden_d", obj=type(self))
        rng = np.random.RandomState(seed_of(seed))
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
        weights = {}
        for path, value in given.items():
            pre, _, kind = path.partition("_")
            rows = memory.memory_d if kind == "encoders" else hidden_d
            shape = (rows,) if path == "bias" else (rows, sizes[pre])
            value = Glorot() if value is Default else value
            if value is not None:
                weights[path] = check_weights(value, shape, path, rng, obj=type(self))
        self.trainable = check_trainable(trainable, weights, type(self))
        hidden_type = nengo.Tanh(tau_ref=1) if hidden_type is None else hidden_type
        if not (isinstance(hidden_type, nengo.neurons.NeuronType) or callable(hidden_type)):
            raise ValidationError(
                f"got {hidden_type!r}, expected a Nengo neuron type or a function of a "
                "TensorFlow tensor.",
                attr="hidden_type",
                obj=type(self),
            )

        super().__init__(label=label, seed=seed, add_to_container=add_to_container)
        self.input_d = input_d
        self.hidden_d = hidden_d
        self.hidden_type = hidden_type
        self.memory = memory
        self.dt = memory.dt
        with self:
            self.input = nengo.Node(size_in=input_d, label="input")
            self.u = nengo.Node(size_in=memory.memory_d, label="u")
            self.m = nengo.Node(size_in=memory.output.size_in, label="m")
            self.h = nengo.Node(size_in=hidden_d, label="h")
            self.output = nengo.Node(size_in=hidden_d, label="output")
            self.start = None
            if start:
                self.start = nengo.Node(size_in=memory.output.size_in, label="start")
            nengo.Connection(self.h, self.output, synapse=None)
        self._kept = {kind: list(objects) for kind, objects in self.objects.items()}
        self._sequence = None
        self._read = ("u", "m", "h")
        with plain_config(), nengo.Network(add_to_container=False) as self._steps:
            self._add_steps(weights)
        self.realization = None
        self.realize(memory.realization if realization is None else realization)

    def _add_steps(self, weights):
        """Add all that computes the cell step by step."""
        self._has_bias = "bias" in weights
        nengo.Network.context[-1].networks.append(self.memory)
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
        for kind in (nengo.Connection, nengo.Ensemble, nengo.ensemble.Neurons):
            if kind not in self.config.params:
                self.config.configures(kind)
            self.config[kind].set_param(
                "trainable", BoolParam("trainable", default=None, optional=True)
            )
        for name, conn in self.paths.items():
            if name not in self.trainable:
                self.config[conn].trainable = False
        if is_neurons and "bias" not in self.trainable:
            self.config[self.hidden].trainable = False

    @property
    def set_aside(self):
        """Networks of the single steps while one operator goes through all of them."""
        return () if self._sequence is None else (self._steps,)

    @property
    def weights(self):
        """Present value of each path, of ``theta``, ``A`` and ``B``."""
        if self._sequence is not None:
            return dict(self._sequence.parameters)
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
    def weights(self, weights):
        expected = self.weights
        if weights.keys() != expected.keys():
            raise ValidationError(
                f"got {sorted(weights)}, expected {sorted(expected)}.",
                attr="weights",
                obj=self,
            )
        weights = {
            name: check_weights(value, expected[name].shape, name, None, obj=self)
            for name, value in weights.items()
        }
        if self._sequence is not None:
            self._sequence.parameters = weights
        self._put_into_steps(weights)
        self.realize(self.realization)

    def _put_into_steps(self, weights):
        for name, conn in self.paths.items():
            conn.transform = weights[name].reshape(conn.post_obj.size_in, -1)
        if isinstance(self.hidden, nengo.Ensemble) and self._has_bias:
            self.hidden.bias = weights["bias"] * self.hidden.gain
        self.memory.set_state_space(weights["theta"], weights["A"], weights["B"])

    @property
    def feedback(self):
        """Why the cell has to go through the steps one by one, or an empty string."""
        reasons = [name for name in FEEDBACK if name in self.paths]
        text = f"{', '.join(reasons)} feed back" if reasons else ""
        trained = [name for name in STATE_SPACE if name in self.trainable]
        if trained:
            text += f"{' and ' if text else ''}{', '.join(trained)} trained"
        if self.start is not None:
            text += f"{' and ' if text else ''}its memory is started from outside"
        return text

    def _make(self, realization):
        self._put_into_steps(self.weights)
        if not (isinstance(realization, Windowed) and self.feedback):
            return self.memory._make(realization)
        with plain_config(), nengo.Network(add_to_container=False) as inside:
            process = CellSequence(self, realization, self._read)
            node = nengo.Node(process, label="all steps")
            nengo.Connection(self.input, node[: self.input_d], synapse=None)
            if self.start is not None:
                nengo.Connection(self.start, node[self.input_d :], synapse=None)
            end = 0
            for part in (getattr(self, name) for name in self._read):
                begin, end = end, end + part.size_in
                nengo.Connection(node[begin:end], part, synapse=None)
        return inside

    def leave_out_unread(self, network):
        """
        Compute only what is read; `lmu_nengo.training.Simulator` calls this.

        The memory of all steps, for one, is as much work as all else together.

        Parameters
        ----------
        network : nengo.Network
            The network that is going to be run.
        """
        read = {conn.pre_obj for conn in network.all_connections}
        read |= {probe.obj for probe in network.all_probes}
        names = tuple(name for name in "umh" if name == "h" or getattr(self, name) in read)
        if self._sequence is not None and names != self._read:
            self._read = names
            self.realize(self.realization)

    def _swap(self, realization, inside):
        outputs = [node.output for node in inside.nodes]
        self._sequence = next((x for x in outputs if isinstance(x, CellSequence)), None)
        if self._sequence is None:
            self.memory._swap(realization, inside)
            inside = self._steps
        for kind, objects in self.objects.items():
            objects[:] = [*self._kept[kind], *inside.objects[kind]]
        self.realization = realization


def check_trainable(trainable, weights, obj):
    """Names of what is trained, checked; all paths by default."""
    allowed = [*weights, *STATE_SPACE]
    if trainable is None:
        return frozenset(weights)
    for name in (names := frozenset(trainable)):
        if name not in allowed:
            raise ValidationError(
                f"got {name!r}, expected some of {allowed}. A path that is None is not "
                "there to be trained.",
                attr="trainable",
                obj=obj,
            )
    return names
