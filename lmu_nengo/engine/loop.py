"""Many steps of a program as one compiled loop, over a batch and several devices."""

import hashlib
import math
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from lmu_nengo.engine.devices import BY_FIRST, BY_SECOND, WHOLE, Devices
from lmu_nengo.engine.program import Program

CAPACITIES = 1, 64, 1024, 16384  # a loop is compiled for so many steps, and runs fewer too
CHUNK_BYTES = 2**25  # of inputs and outputs of one run of a loop
GROUP_SIZE = 50_000  # elements of the largest signal, in the processor's cache
FEW = 16  # sequences that would not be worth a group
WIDTH = "xla_cpu_prefer_vector_width"  # 256 bits by default, also where there are 512
MANY = 4096  # elements from which on wider ones pay
_COMPILED: dict[str, object] = {}  # by the hash of the program's text


class Loop:
    """
    A compiled loop over the steps of a program.

    Parameters
    ----------
    program : Program
        The program.
    n_sequences : int or None
        Number of sequences in a batch.
    devices : Devices
        The batch is divided among them.
    periods : list of float
        For each output, the steps from one value that is kept to the next.

    Attributes
    ----------
    seconds_compiling : float
        How long it took to compile what has run.
    """

    def __init__(
        self,
        program: Program,
        n_sequences: int | None,
        devices: Devices,
        periods: list[float],
    ):
        self.program, self.n_sequences, self.devices = program, n_sequences, devices
        self.periods = periods
        self.inputs = program.builder.inputs
        self._compiled: dict[tuple, object] = {}
        self.seconds_compiling = 0.0

    def capacity(self, n_steps: int) -> int:
        """The largest number of steps, up to ``n_steps``, for which there is memory."""
        fitting = [c for c in CAPACITIES if self._n_bytes(c) <= CHUNK_BYTES] or [1]
        return next((c for c in fitting if c >= n_steps), fitting[-1])

    def _n_bytes(self, capacity):
        """Memory for the inputs and outputs of so many steps."""
        n_sequences, outputs = self.n_sequences or 1, self.program.outputs
        size = 0
        for source in self.inputs:
            may_vary = source.is_batched or source.unit is not None  # given as data
            n = n_sequences if may_vary else 1
            size += capacity * n * math.prod(source.shape)
        for signal, length in zip(outputs, self._lengths(capacity), strict=True):
            size += length * n_sequences * signal.size
        return size * np.dtype(self.program.builder.dtype).itemsize

    def _lengths(self, capacity):
        """For each output, how many values are kept in so many steps, and a last one."""
        return [min(capacity, int(capacity / max(p, 1)) + 2) for p in self.periods]

    def run(self, constants, state, inputs, slots, n_steps: int, is_batched: tuple):
        """
        Run some steps.

        Parameters
        ----------
        constants : list of array
            Those of the program.
        state : list of array
            The state; its first axis is the sequence if there is a batch.
        inputs : list of array of shape (capacity, ...) or (capacity, n_sequences, ...)
            The values of each input.
        slots : list of array of shape (capacity,)
            For each output, where the value of each step is kept. A later one may
            overwrite it.
        n_steps : int
            Number of steps.
        is_batched : tuple of bool
            For each input, whether it has an axis for sequences.

        Returns
        -------
        state : list of array
            The new state.
        outputs : list of array of shape (n_kept, ...) or (n_kept, n_sequences, ...)
            The values of each output.
        is_number : bool
            Whether nothing became NaN.
        """
        put = self.devices.put
        inputs = [
            put(x, BY_SECOND if b else WHOLE)
            for x, b in zip(inputs, is_batched, strict=True)
        ]
        args = constants, state, inputs, [put(x) for x in slots], put(np.int32(n_steps))
        key = len(inputs[0]), is_batched
        if key not in self._compiled:
            start = time.perf_counter()
            self._compiled[key] = self._compile(args, is_batched)
            self.seconds_compiling += time.perf_counter() - start
        state, outputs, is_number = self._compiled[key](*args)
        return state, outputs, bool(self.devices.get(is_number).all())

    def step(self, constants, state, inputs, is_batched: tuple):
        """
        Run one step, without what a loop costs.

        Parameters
        ----------
        constants : list of array
            Those of the program.
        state : list of array
            As for `run`. It is used up.
        inputs : list of ndarray of shape (...) or (n_sequences, ...)
            The value of each input.
        is_batched : tuple of bool
            For each input, whether it has an axis for sequences.

        Returns
        -------
        state : list of array
            The new state.
        outputs : list of array of shape (...) or (n_sequences, ...)
            The values of each output.
        """
        key = "step", is_batched
        if key not in self._compiled:
            step = partial(self._step, is_batched)
            self._compiled[key] = jax.jit(step, donate_argnums=1)
        return self._compiled[key](constants, state, inputs)

    def _step(self, is_batched, constants, state, inputs):
        constants = dict(zip(self.program.builder.constants, constants, strict=True))
        step = partial(self.program.step, constants)
        if self.n_sequences is not None:
            axes = [0 if b else None for b in is_batched]
            step = jax.vmap(step, in_axes=(0, axes), axis_size=self.n_sequences)
        return step(state, inputs)

    def _compile(self, args, is_batched):
        if self.n_sequences is None:
            run = partial(self._loop, (), is_batched)
        else:
            batch = self.n_sequences // self.devices.count
            run = self._by_device(is_batched, self._by_group(batch, is_batched))
        lowered = jax.jit(run).lower(*args)
        is_wide = self.devices.is_processor and self._largest() >= MANY
        options = {WIDTH: 512} if is_wide else {}
        if self.program.builder.callbacks:
            return lowered.compile(options)
        types = jax.tree.map(jax.typeof, args)  # the text leaves out what is not used
        text = f"{self.devices.key}\n{types}\n{lowered.as_text()}"
        key = hashlib.sha256(text.encode()).hexdigest()
        if key not in _COMPILED:
            _COMPILED[key] = lowered.compile(options)
        return _COMPILED[key]

    def _loop(self, batch, is_batched, constants, state, inputs, slots, n_steps):
        """The loop for one sequence, or for a batch of shape ``batch`` in one piece."""
        constants = dict(zip(self.program.builder.constants, constants, strict=True))
        step = partial(self.program.step, constants)
        if batch:
            axes = [0 if b else None for b in is_batched]
            step = jax.vmap(step, in_axes=(0, axes), axis_size=batch[0])
        lengths = self._lengths(len(inputs[0]))
        outputs = [
            jnp.zeros((n, *batch, *signal.shape), self.program.builder.dtype_of(signal))
            for n, signal in zip(lengths, self.program.outputs, strict=True)
        ]

        def body(i, carry):
            state, outputs = carry
            state, values = step(state, [x[i] for x in inputs])
            outputs = [
                jax.lax.dynamic_update_index_in_dim(output, value, slot[i], 0)
                for output, value, slot in zip(outputs, values, slots, strict=True)
            ]
            return state, outputs

        state, outputs = jax.lax.fori_loop(0, n_steps, body, (state, outputs))
        floats = [x for x in (*state, *outputs) if jnp.issubdtype(x.dtype, jnp.floating)]
        is_number = jnp.array([~jnp.isnan(x).any() for x in floats]).all()
        return state, outputs, is_number

    def _by_group(self, batch, is_batched):
        """Run groups of sequences one after another: their state stays in the cache."""
        size = self._group_size(batch)
        run = partial(self._loop, (size,), is_batched)
        if size == batch:
            return run

        def by_group(constants, state, inputs, slots, n_steps):
            def grouped(x, axis):
                shape = (*x.shape[:axis], batch // size, size, *x.shape[axis + 1 :])
                return jnp.moveaxis(x.reshape(shape), axis, 0)

            varied = [
                grouped(x, 1) if b else None
                for x, b in zip(inputs, is_batched, strict=True)
            ]

            def one(group):
                state, varied = group
                both = [x if v is None else v for x, v in zip(inputs, varied, strict=True)]
                return run(constants, state, both, slots, n_steps)

            state, outputs, is_number = jax.lax.map(
                one, ([grouped(x, 0) for x in state], varied)
            )
            state = [x.reshape((batch, *x.shape[2:])) for x in state]
            outputs = [
                jnp.moveaxis(x, 0, 1).reshape((x.shape[1], batch, *x.shape[3:]))
                for x in outputs
            ]
            return state, outputs, is_number.all()

        return by_group

    def _largest(self):
        """The number of elements of the largest part of the state, for one sequence."""
        return max((unit.stop - unit.start for unit in self.program.state), default=1)

    def _group_size(self, batch):
        if self.program.builder.callbacks or not self.devices.is_processor:
            return batch
        most = GROUP_SIZE // self._largest()
        if most < FEW:  # XLA's own threads pay
            return batch
        return max(
            size for size in range(1, batch + 1) if batch % size == 0 and size <= most
        )

    def _by_device(self, is_batched, run):
        """Divide the batch among the devices."""

        def by_device(*args):
            state, outputs, is_number = run(*args)
            return state, outputs, is_number[None]  # one for each device

        inputs = [BY_SECOND if b else WHOLE for b in is_batched]
        return self.devices.divide(
            by_device,
            (WHOLE, BY_FIRST, inputs, WHOLE, WHOLE),
            (BY_FIRST, BY_SECOND, BY_FIRST),
        )
