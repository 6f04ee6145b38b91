"""A network that gets its samples as they come."""

import hashlib
import importlib.util
import os
from typing import Any

import nengo
import numpy as np
from nengo.exceptions import SimulatorClosed, ValidationError
from numpy.typing import ArrayLike

from lmu_nengo._nengo import plain_config
from lmu_nengo._validation import (
    check_array,
    check_choice,
    check_integer,
    check_path,
    check_positive,
    check_seed,
    show,
)
from lmu_nengo.io import DamagedFileError
from lmu_nengo.io.archive import check_finite, read_expected, read_header, write_archive
from lmu_nengo.memory.realization import find_realizable
from lmu_nengo.streaming.core import CoreSteps
from lmu_nengo.targets.base import check_steps, need, step_by_step

FORMAT = "lmu_nengo stream"
MOST_STEPS = 2**53  # their time is exact
MOST_IN_CORE = 1000
Source = nengo.Node
Target = nengo.Probe | nengo.Node | nengo.Ensemble


class Stream:
    """
    Push samples into a network as they come, and get its outputs.

    The state is kept from call to call; nothing is recorded, so that memory does not grow.
    It runs on the compiled engine where JAX is installed, and otherwise in core Nengo;
    TensorFlow is never imported.

    Parameters
    ----------
    network : nengo.Network
        The network; it stays as it is. `Windowed` memories go step by step, as `Linear`.
    input : nengo.Node, optional
        The node whose values are pushed, instead of its own output: one without input, or
        the input of a layer that nothing is connected to. By default ``network.input``, or
        the only node without input.
    output : nengo.Probe or nengo.Node or nengo.Ensemble, optional
        What is returned. By default the only probe, or else ``network.output``.
    n_streams : int, optional
        Number of streams that run side by side, each with a state of its own. By default
        there is one, and arrays have no axis for streams.
    engine : {"jax", "core"}, optional
        What computes the steps. By default the compiled engine if JAX is installed.
    dt : float
        Step in seconds: the time from one sample to the next.
    seed : int, optional
        Seed of everything random for which the network has no seed.
    **options : Any
        For `lmu_nengo.engine.Simulator`: ``precision``, ``devices``.

    Attributes
    ----------
    n_steps : int
        Samples so far (of the longest stream).
    size_in, size_out : int
        Sizes of a sample and of an output.

    Raises
    ------
    ValidationError
        If an argument does not fit, several nodes could be meant, or the network needs the
        future.

    See Also
    --------
    lmu_nengo.engine.Simulator : Whole sequences, faster than sample by sample.
    lmu_nengo.load_network : Load the network itself.

    Notes
    -----
    All streams share the time, for nodes that read it. Functions of nodes are taken to
    have no state of their own.

    Examples
    --------
    A delay of ten samples:

    >>> import nengo
    >>> import numpy as np
    >>> import lmu_nengo
    >>> with nengo.Network(seed=0) as network:
    ...     sample = nengo.Node([0])
    ...     memory = lmu_nengo.LegendreMemory(theta=0.01, order=6)
    ...     delayed = nengo.Node(size_in=1)
    ...     weights = lmu_nengo.delay_decoders(6, 1.0)
    ...     c1 = nengo.Connection(sample, memory.input, synapse=None)
    ...     c2 = nengo.Connection(memory.output, delayed, transform=weights, synapse=None)
    ...     probe = nengo.Probe(delayed)
    >>> with lmu_nengo.Stream(network) as stream:
    ...     for sample in np.linspace(0, 1, 101):
    ...         y = stream.push([sample])
    >>> y.round(1)
    array([0.9], dtype=float32)

    Two microphones, blocks of 20 samples, and a new start of the second one:

    >>> with lmu_nengo.Stream(network, n_streams=2) as stream:
    ...     y = stream.push(np.ones((2, 20, 1)))
    ...     stream.reset(stream=1)
    ...     after = stream.push(np.zeros((2, 1)))
    >>> y.shape, after.round().ravel().tolist()
    ((2, 20, 1), [1.0, 0.0])
    """

    def __init__(
        self,
        network: nengo.Network,
        input: Source | None = None,
        output: Target | None = None,
        n_streams: int | None = None,
        engine: str | None = None,
        dt: float = 0.001,
        seed: int | None = None,
        **options: Any,
    ):
        self.closed = True
        if not isinstance(network, nengo.Network):
            raise ValidationError(
                f"must be a nengo.Network, got {network!r}.", "network", type(self)
            )
        check_seed(seed, obj=type(self))
        if n_streams is not None:
            n_streams = check_integer(n_streams, "n_streams", obj=type(self))
        self.dt = check_positive(dt, "dt", obj=type(self))
        if engine is None:
            engine = "core" if importlib.util.find_spec("jax") is None else "jax"
        self.engine = check_choice(engine, ("jax", "core"), "engine", obj=type(self))
        self.n_streams = n_streams
        prepared = step_by_step(network)
        for limit in check_steps(prepared.network, self.dt):
            raise ValidationError(str(limit), "dt", type(self))
        source = find_input(network, input)
        target = find_output(network, output)
        self._input, self._output = _connect(prepared, source, target)
        self.size_in, self.size_out = self._input.size_out, self._output.size_in
        if self.engine == "core":
            if n_streams is not None and n_streams > MOST_IN_CORE:
                raise ValidationError(
                    f"must be at most {MOST_IN_CORE} for engine='core', which has a "
                    f"simulator for each, got {n_streams}. Use engine='jax'.",
                    "n_streams",
                    type(self),
                )
            if options:
                raise ValidationError(
                    f"are for engine='jax' only, got {sorted(options)}.",
                    "options",
                    type(self),
                )
            self._steps = CoreSteps(prepared.network, self.dt, seed, n_streams)
        else:
            self._steps = need("lmu_nengo.engine", "jax").Simulator(
                prepared.network,
                dt=self.dt,
                seed=seed,
                minibatch_size=n_streams,
                progress_bar=False,
                **options,
            )
        self._initial = self._steps.get_state(is_complete=False)
        self._fingerprint = fingerprint(self._steps.model)
        self.n_steps, self.closed = 0, False

    def push(self, x: ArrayLike) -> np.ndarray:
        """
        Advance by one sample, or by several.

        Parameters
        ----------
        x : array_like of shape ([n_streams,] size_in) or ([n_streams,] n_steps, size_in)
            A sample, or a block of samples; the first axis is the stream if there are
            several. How samples are divided into blocks makes no difference.

        Returns
        -------
        y : ndarray of shape ([n_streams,] size_out) or ([n_streams,] n_steps, size_out)
            The outputs after each of them.

        Raises
        ------
        SimulatorClosed
            If the stream is closed.
        ValidationError
            If the shape does not fit, or a value is not a finite number. The state stays
            as it was.
        FloatingPointError
            If an output is not a finite number.
        """
        self._check_open()
        x = check_array(x, "x", (...,), obj=type(self), finite=False, empty=True)
        axis = 0 if self.n_streams is None else 1
        batch = () if self.n_streams is None else (self.n_streams,)
        is_block = x.ndim == axis + 2
        expected = (*batch, *x.shape[axis:-1], self.size_in)
        if x.ndim not in (axis + 1, axis + 2) or x.shape != expected:
            first = "" if self.n_streams is None else f"{self.n_streams}, "
            raise ValidationError(
                f"must have the shape ({first}{self.size_in}) for one sample, or "
                f"({first}n_steps, {self.size_in}) for several, got {x.shape}.",
                "x",
                type(self),
            )
        if not np.isfinite(x).all():
            raise ValidationError(
                f"must be finite, but {np.count_nonzero(~np.isfinite(x))} values are not.",
                "x",
                type(self),
            )
        if not is_block:
            return self._push(x)
        if not x.shape[axis]:
            return np.zeros((*batch, 0, self.size_out))
        return np.stack([self._push(each) for each in np.moveaxis(x, axis, 0)], axis=axis)

    def _push(self, x):
        y = self._steps.push({self._input: x})[self._output]
        self.n_steps += 1
        if not np.isfinite(y).all():
            raise FloatingPointError(
                f"the output became {y} in step {self.n_steps}. Reset the stream."
            )
        return y

    def reset(self, stream: int | None = None) -> None:
        """
        Start again.

        Parameters
        ----------
        stream : int, optional
            Number of the stream that starts again; the others go on. By default all do.

        Raises
        ------
        ValidationError
            If there is no such stream.
        """
        self._check_open()
        if stream is None:
            self._steps.reset()
            self.n_steps = 0
            return
        stream = self._check_stream(stream)
        state = self._steps.get_state(is_complete=False)
        for values, initial in zip(state, self._initial, strict=True):
            values[stream] = initial[stream]
        self._steps.set_state(state, self.n_steps)

    def save(self, path: str | os.PathLike[str], stream: int | None = None) -> None:
        """
        Save the state, but not the network, to a file; see `lmu_nengo.save_network`.

        Parameters
        ----------
        path : str or path-like
            The file, ending in ``.npz``; it is written atomically.
        stream : int, optional
            Number of the stream whose state is saved. By default all are.

        Raises
        ------
        ValidationError
            If there is no such stream, the file cannot be written, or a part of the
            network draws random numbers.
        """
        self._check_open()
        check_path(path)
        state, n = self._steps.get_state(), self.n_streams
        if stream is not None:
            i = self._check_stream(stream)
            state, n = [values[i] for values in state], None
        header = {
            "engine": self.engine,
            "n_streams": n,
            "n_steps": self.n_steps,
            "network": self._fingerprint,
        }
        arrays = {f"state{i}": x for i, x in enumerate(state)}
        check_finite(arrays)
        write_archive(path, FORMAT, header, arrays)

    def load(self, path: str | os.PathLike[str], stream: int | None = None) -> None:
        """
        Go on from a saved state, exactly as if there had been no interruption.

        Parameters
        ----------
        path : str or path-like
            A file that `save` wrote, for the same network.
        stream : int, optional
            Number of the stream that goes on from the state, which must be that of one
            stream; the others keep theirs.

        Raises
        ------
        ValidationError
            If the file is damaged, or is from another network, engine or number of
            streams.
        """
        self._check_open()
        check_path(path)
        keys = {"engine": str, "n_streams": int | None, "n_steps": int, "network": str}
        header, _ = read_header(path, FORMAT, keys)
        n = self.n_streams if stream is None else None
        for key, expected, what in (
            ("engine", self.engine, "the engine"),
            ("n_streams", n, "the number of streams"),
        ):
            if header[key] != expected:
                raise ValidationError(
                    f"{path} was saved with {what} {header[key]!r}, but it is "
                    f"{expected!r} here.",
                    "path",
                    type(self),
                )
        if header["network"] != self._fingerprint:
            raise ValidationError(
                f"{path} is the state of another network. Load the network that was saved "
                "beside it, and give it a seed if it contains neurons.",
                "path",
                type(self),
            )
        present = self._steps.get_state(is_complete=False)
        each = ... if stream is None else self._check_stream(stream)
        shapes = {f"state{i}": np.shape(x[each]) for i, x in enumerate(present)}
        state = list(read_expected(path, shapes).values())
        for i, (values, own) in enumerate(zip(present, state, strict=True)):
            if values.dtype != own.dtype:
                reason = f"state{i} must be of type {values.dtype}, got {own.dtype}"
                raise DamagedFileError(path, reason)
        if not 0 <= header["n_steps"] < MOST_STEPS:
            reason = f"'n_steps' in its header must be from 0 to {MOST_STEPS - 1}, got "
            raise DamagedFileError(path, reason + show(header["n_steps"]))
        if stream is not None:
            for values, own in zip(present, state, strict=True):
                values[each] = own
            self._steps.set_state(present, self.n_steps)
            return
        self._steps.set_state(state, header["n_steps"])
        self.n_steps = header["n_steps"]

    def close(self) -> None:
        """Free what computes the steps."""
        if not self.closed:
            self._steps.close()
        self.closed = True

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def _check_open(self):
        if self.closed:
            raise SimulatorClosed("The stream is closed.")

    def _check_stream(self, stream):
        """The number of a stream, checked."""
        n = self.n_streams
        if n is None:
            raise ValidationError(
                "can only be given if there are several: Stream(..., n_streams=n). Leave "
                "it out.",
                "stream",
                type(self),
            )
        stream = check_integer(stream, "stream", low=0, obj=type(self))
        if stream >= n:
            raise ValidationError(
                f"must be below {n}, the number of streams, got {stream}.",
                "stream",
                type(self),
            )
        return stream


def find_input(network, given):
    """The node that gets the samples."""
    fed = {conn.post_obj for conn in network.all_connections}
    own = getattr(network, "input", None)
    if given is None and isinstance(own, nengo.Node) and own not in fed:
        given = own
    if given is not None:
        is_known = isinstance(given, nengo.Node) and given in network.all_nodes
        is_open = is_known and given not in fed and given.size_out > 0
        if not is_open or (given.size_in > 0 and given.output is not None):
            raise ValidationError(
                "must be a node of the network that has no input, or passes on an input "
                f"that nothing is connected to, got {given!r}.",
                "input",
                Stream,
            )
        return given
    inside = {node for part in find_realizable(network) for node in part.all_nodes}
    found = [
        node
        for node in network.all_nodes
        if node.size_in == 0 and node.size_out > 0 and node not in inside
    ]
    if len(found) != 1:
        raise ValidationError(
            f"must be given, as {len(found)} nodes have no input: {found}.",
            "input",
            Stream,
        )
    return found[0]


def find_output(network, given):
    """What is returned."""
    if given is None:
        probes = network.all_probes
        own = getattr(network, "output", None)
        given = probes[0] if len(probes) == 1 else own
        if given is None:
            raise ValidationError(
                f"must be given, as the network has {len(probes)} probes: {probes}.",
                "output",
                Stream,
            )
    kinds = nengo.Probe | nengo.Node | nengo.Ensemble
    known = *network.all_probes, *network.all_nodes, *network.all_ensembles
    if not isinstance(given, kinds) or given not in known:
        raise ValidationError(
            f"must be a probe, node or ensemble of the network, got {given!r}.",
            "output",
            Stream,
        )
    return given


def _connect(prepared, source, target):
    """Node and probe of the copy; its other probes are removed."""
    copy = prepared.network
    node, probe = prepared.objects[source], prepared.objects[target]
    for part in [copy, *copy.all_networks]:
        part.probes[:] = [p for p in part.probes if p is probe]
    with plain_config(), copy:
        if node.size_in == 0:
            node.output = np.zeros(node.size_out)
        else:
            own = nengo.Node(np.zeros(node.size_in), label="samples")
            nengo.Connection(own, node, synapse=None)
            node = own
        if not isinstance(probe, nengo.Probe):
            probe = nengo.Probe(probe)
    return node, probe


def fingerprint(model) -> str:
    """A hash of all that is constant in a network that is built, and of its structure."""
    digest = hashlib.sha256(f"{model.dt}".encode())
    seen = set()
    for op in model.operators:
        digest.update(type(op).__name__.encode())
        for signal in op.all_signals:
            base = signal.base
            digest.update(f"{signal.shape}{signal.elemoffset}".encode())
            if base in seen or not base.readonly:
                continue
            seen.add(base)
            value = base.initial_value
            value = value.tocoo().data if hasattr(value, "tocoo") else value
            digest.update(np.ascontiguousarray(getattr(value, "data", value)).tobytes())
    return digest.hexdigest()
