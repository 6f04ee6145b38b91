"""What the probes of a network show for a batch, as a function of what is trained."""

from functools import partial

import jax
import jax.numpy as jnp
import nengo
import numpy as np
from nengo.builder.neurons import SimNeurons

from lmu_nengo.engine.inputs import random_generator
from lmu_nengo.engine.program import Builder, Program
from lmu_nengo.engine.values import Unit, unit_of
from lmu_nengo.training.jax.network.lowering import Given, Lowering
from lmu_nengo.training.jax.network.sequences import last_state
from lmu_nengo.training.plan.checks import INTEGRATING
from lmu_nengo.training.plan.operators import SimSequence
from lmu_nengo.training.plan.settings import keeps_history

LARGEST_KEPT = 2**30  # bytes that the steps of a batch may leave for the backward pass


class Forward:
    """
    The values of a network's probes, as a pure function.

    Parameters
    ----------
    built : Built
        The network.
    is_training : bool
        Whether it is for training: with dropout and noise, and with gradients.
    **options
        ``spikes_in_training`` and ``surrogate`` of `Lowering`.

    Attributes
    ----------
    nodes : list of nengo.Node
        Nodes that may be given data.
    places : list of tuple of (object, str)
        The places of what is trained, in the order of the parameters.
    """

    def __init__(self, built, is_training: bool, **options):
        model, self.plan = built.model, built.model.plan
        self.model, self.probes = model, list(model.probes)
        self.places = list(built.trained)
        fed = [
            signals["out"]
            for node, signals in model.sig.items()
            if isinstance(node, nengo.Node) and isinstance(node.output, np.ndarray)
        ]
        bases = [signal.base for signal in built.trained.values()]
        self.builder = builder = Builder(
            built.order, built.dependents, fed, model.dt, np.dtype("float32"), bases
        )
        network = model.toplevel
        self.keeps = [keeps_history(network, probe) for probe in self.probes]
        last_only = () if any(self.keeps) else read_at_the_end(built)
        lower = Lowering(model, bases, is_training, last_only=last_only, **options)
        outputs = [model.sig[probe]["in"] for probe in self.probes]
        self.program = Program(builder, outputs, lower)
        self.key = lower.key if lower.key in builder.inputs else None
        self.step = lower.step
        self.projected = {given: place for place, given in lower.projected.items()}
        constants = self.program.constants(builder.parameters())
        self._keys, self.constants = list(constants), list(constants.values())
        self._places = {Unit(base, 0, base.size): i for i, base in enumerate(bases)}
        self.state = self.program.initial_state(lambda base: np.ravel(base.initial_value))
        by_unit = {source.unit: source for source in builder.inputs if source.unit}
        self._source_of = {}
        for node in model.toplevel.all_nodes:
            if node.size_in == 0 and node.size_out and node in model.sig:
                signal = builder.places.signal(model.sig[node]["out"])
                if (source := by_unit.get(unit_of(signal))) is not None:
                    self._source_of[node] = source
        self.nodes = list(self._source_of)

    def own_values(self, n_steps: int, n_sequences: int, seed: int) -> dict:
        """
        Give what nodes that get no data show, from the first step on.

        Parameters
        ----------
        n_steps, n_sequences : int
            Steps, and sequences that may differ in their noise.
        seed : int
            Seed of the noise.

        Returns
        -------
        values : dict
            By a number for each input of the program, arrays of shape (n_steps, ...) or
            (n_sequences, n_steps, ...).
        """
        values = {}
        rngs: dict = {}
        for sequence in range(n_sequences):
            rng = np.random.RandomState([seed % 2**32, sequence])
            for op in self.builder.operators:
                own = random_generator(op, rng, max(sequence, 1))
                if own is not None:
                    rngs.setdefault(getattr(op, "origin", op), []).append(own)
        for i, source in enumerate(self.builder.inputs):
            if isinstance(source, Given):
                continue
            op = getattr(source.op, "origin", source.op)
            source.reset(rngs.get(op, [None] * n_sequences))
            array = np.asarray(source.values(1, n_steps), source.dtype or np.float32)
            values[i] = np.moveaxis(array, 1, 0) if source.is_batched else array
        return values

    def features(self, x: dict) -> dict:
        """
        Compute once what does not depend on anything that is trained.

        Parameters
        ----------
        x : dict of {int: array of shape (batch, n_steps, size)}
            Data by the number of the node.

        Returns
        -------
        features : dict
            By a number for each input of the program, arrays of shape (batch, ...). If
            only the last step is read, its values and the coefficients of the memories.
        """
        found = {}
        x = {self.nodes[i]: values for i, values in x.items()}
        by_source = {self._source_of[node]: values for node, values in x.items()}
        for i, source in enumerate(self.builder.inputs):
            if source in by_source:
                values = by_source[source]
                found[i] = values[:, -1] if self.plan.path == "last step" else values
            elif source in self.projected:
                process, node = self.projected[source]
                if node in x:
                    found[i] = last_state(process, x[node])
        return found

    def __call__(self, parameters, constants, batch, own, key):
        """
        Compute what the probes show.

        Parameters
        ----------
        parameters : list of array
            What is trained, in the order of ``places``.
        constants : list of array
            ``self.constants``.
        batch : dict of {str: dict}
            ``"features"``, as ``features`` returns them, or ``"x"`` to compute them of.
        own : dict
            What ``own_values`` returns.
        key : array of shape (4,)
            Key of all random numbers.

        Returns
        -------
        outputs : list of array of shape (batch, n_steps, size)
            One for each probe.
        """
        features = batch.get("features")
        if features is None:
            features = self.features(batch["x"])
        state = []
        for unit, array in zip(self.program.state, self.state, strict=True):
            i = self._places.get(unit)
            state.append(array if i is None else parameters[i].reshape(-1))
        constants = dict(zip(self._keys, constants, strict=True))
        args = constants, state, features, own, key
        if self.plan.path == "last step":
            return self._last_step(*args)
        if self.plan.n_steps is not None:
            return self._all_steps(*args)
        return self._step_by_step(*args)

    def _inputs(self, features, own, key, of_features, of_own):
        """The inputs of the program and their axes; where one has no data, its own."""
        inputs, axes = [], []
        for i, source in enumerate(self.builder.inputs):
            if source is self.key:
                value, axis = key, None
            elif source is self.step:
                value, axis = jnp.arange(self.plan.n_steps), None
            elif i in features:
                value, axis = of_features(features[i]), 0
            else:
                value, axis = of_own(i, source)
            inputs.append(value)
            axes.append(axis)
        return inputs, axes

    def _last_step(self, constants, state, features, own, key):
        def of_own(i, source):
            if source in self.projected:
                process, node = self.projected[source]
                values = own[self.builder.inputs.index(self._source_of[node])]
                return last_state(process, values), 0 if values.ndim == 3 else None
            values = own[i]
            return (values[:, -1], 0) if source.is_batched else (values[-1], None)

        inputs, axes = self._inputs(features, own, key, lambda x: x, of_own)
        step = partial(self.program.step, constants)
        _, outputs = jax.vmap(step, in_axes=(None, axes), out_axes=(None, 0))(state, inputs)
        return [y[:, None] for y in outputs]

    def _all_steps(self, constants, state, features, own, key):
        n_steps = self.plan.n_steps
        batch = len(next(iter(features.values())))

        def of_own(i, source):
            values = own[i]
            if not source.is_batched:
                values = jnp.broadcast_to(values, (batch, *values.shape))
            return values, 0

        inputs, axes = self._inputs(features, own, key, lambda x: x, of_own)

        def step(inputs):
            return self.program.step(constants, state, inputs)[1]

        steps = [
            0 if source is self.step else axis
            for source, axis in zip(self.builder.inputs, axes, strict=True)
        ]
        of_sequence = jax.vmap(step, (steps,), axis_size=n_steps)
        outputs = jax.vmap(of_sequence, (axes,), axis_size=batch)(inputs)
        return [
            y if keep else y[:, -1:] for y, keep in zip(outputs, self.keeps, strict=True)
        ]

    def _step_by_step(self, constants, state, features, own, key):
        batch, n_steps = next(iter(features.values())).shape[:2]
        is_free = [unit in self._places for unit in self.program.state]
        fixed = [array for array, free in zip(state, is_free, strict=True) if free]
        moving = [
            jnp.broadcast_to(array, (batch, *array.shape))
            for array, free in zip(state, is_free, strict=True)
            if not free
        ]

        def of_own(i, source):
            values = own[i]
            if source.is_batched:
                return jnp.moveaxis(values, 1, 0), 0
            return values, None

        def steps_first(x):
            return jnp.moveaxis(x, 1, 0)

        inputs, axes = self._inputs(features, own, key, steps_first, of_own)
        varying = [source is not self.key for source in self.builder.inputs]
        over_time = [x for x, varies in zip(inputs, varying, strict=True) if varies]

        def one(fixed, moving, inputs):
            fixed, moving = iter(fixed), iter(moving)
            state = [next(fixed if free else moving) for free in is_free]
            state, outputs = self.program.step(constants, state, inputs)
            return [x for x, free in zip(state, is_free, strict=True) if not free], outputs

        step = jax.vmap(one, in_axes=(None, 0, axes))

        def advance(carry, now):
            moving, _ = carry
            now = iter(now)
            inputs = [next(now) if varies else key for varies in varying]
            moving, outputs = step(fixed, moving, inputs)
            kept = [y for y, keep in zip(outputs, self.keeps, strict=True) if keep]
            last = [y for y, keep in zip(outputs, self.keeps, strict=True) if not keep]
            return (moving, last), kept

        shapes = jax.eval_shape(
            lambda *args: step(*args)[1],
            fixed,
            moving,
            [x[0] if varies else x for x, varies in zip(inputs, varying, strict=True)],
        )
        last = [
            jnp.zeros(y.shape, y.dtype)
            for y, keep in zip(shapes, self.keeps, strict=True)
            if not keep
        ]
        n_bytes = 4 * n_steps * sum(3 * x.size for x in moving)
        (_, last), kept = scan(advance, (moving, last), over_time, n_bytes)
        last, kept = iter(last), iter(kept)
        return [
            jnp.moveaxis(next(kept), 0, 1) if keep else next(last)[:, None]
            for keep in self.keeps
        ]


def read_at_the_end(built) -> set:
    """
    Find what is computed for whole sequences but read at the last step only.

    Parameters
    ----------
    built : Built
        A network whose probes are read at the last step.

    Returns
    -------
    operators : set of SimSequence
        Those from which nothing follows that mixes steps.
    """

    def mixes_steps(op):
        is_neurons = isinstance(op, SimNeurons) and type(op.neurons) in INTEGRATING
        return isinstance(op, SimSequence) or is_neurons

    mixed: set = set()  # operators before one that mixes steps
    for op in reversed(built.order):
        after = built.dependents.get(op, ())
        if any(other in mixed or mixes_steps(other) for other in after):
            mixed.add(op)
    return {op for op in built.order if isinstance(op, SimSequence) and op not in mixed}


def scan(step, carry, inputs, n_bytes):
    """``jax.lax.scan``, which computes blocks of steps again if they leave too much."""
    n_steps = len(inputs[0])
    if n_bytes <= LARGEST_KEPT:
        return jax.lax.scan(step, carry, inputs)
    block = int(np.ceil(np.sqrt(n_steps)))
    n_whole = n_steps // block * block

    @jax.checkpoint
    def steps(carry, now):
        return jax.lax.scan(step, carry, now)

    blocks = [x[:n_whole].reshape(-1, block, *x.shape[1:]) for x in inputs]
    carry, kept = jax.lax.scan(steps, carry, blocks)
    kept = [y.reshape(n_whole, *y.shape[2:]) for y in kept]
    if n_whole < n_steps:
        carry, rest = steps(carry, [x[n_whole:] for x in inputs])
        kept = [jnp.concatenate(parts) for parts in zip(kept, rest, strict=True)]
    return carry, kept
