"""NengoDL's graph, and how it is run for one step on rows made of whole sequences."""

import tensorflow as tf

from lmu_nengo.training._nengo_dl import get_setting, nengo_dl, replace_builders
from lmu_nengo.training.backend.checks import check_carried, refuse_state
from lmu_nengo.training.backend.operators import RowsDotBuilder
from lmu_nengo.training.backend.spikes import use_spikes
from lmu_nengo.training.plan.operators import SimLastStep, SimRandom, SimSequence


class Graph(nengo_dl.tensor_graph.TensorGraph):
    """
    NengoDL's graph for one replica, with random numbers that can be repeated.

    Parameters
    ----------
    model : Model
        What is computed.
    dt : float
        Simulation step in seconds.
    unroll : int
        Steps that are unrolled.
    batch_size : int
        Sequences in a batch of all replicas.
    device : str or None
        As for NengoDL's.
    progress : nengo_dl.utils.ProgressBar
        Shows the progress of building.
    seed : int
        Seed of everything random.
    iterations : callable
        Gives the number of batches trained so far, or ``None``.
    spikes_in_training : bool
        Whether spiking neurons fire on the forward pass of training.
    """

    def __init__(
        self,
        model,
        dt,
        unroll,
        batch_size,
        device,
        progress,
        seed,
        iterations,
        spikes_in_training,
    ):
        n_replicas = count_replicas()
        all_steps = model.plan.path == "all steps"
        steps = model.plan.n_steps if all_steps else None
        rows = batch_size // n_replicas * (steps or 1)
        super().__init__(model, dt, unroll, rows, device, progress, seed)
        self.batch_size = batch_size
        self.n_replicas = n_replicas
        self.replica_batch = batch_size // n_replicas
        self.iterations = iterations
        self.in_training_step = False
        for place, op in enumerate(model.operators):
            if isinstance(op, (SimRandom, SimLastStep)):
                op.graph = self
                op.place = place
        use_spikes(self, steps, spikes_in_training)

    def build_inputs(self):
        """Keras inputs; Keras divides the batch that it is given by the replicas."""
        rows = self.minibatch_size
        self.minibatch_size *= self.n_replicas
        try:
            return super().build_inputs()
        finally:
            self.minibatch_size = rows

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs, training=None, progress=None, stateful=False):
        """Build the graph for one batch."""
        self.in_training_step = training is True
        return super().call(inputs, training, progress, stateful)

    def build_post(self):
        """Make one input function for each sequence, not for each row."""
        rows, self.minibatch_size = self.minibatch_size, self.batch_size
        try:
            super().build_post()
        finally:
            self.minibatch_size = rows

    def random_key(self, place, step):
        """
        Key of random numbers that are the same when training is repeated or goes on.

        It follows from the simulator's seed, ``place``, the number of batches trained so
        far, ``step`` and the replica.

        Parameters
        ----------
        place : int
            Which operator it is.
        step : tf.Tensor
            Step within the batch.

        Returns
        -------
        key : tf.Tensor of shape (2,)
            Seed for TensorFlow's stateless functions, algorithm Philox; outside of a
            training step, one that differs from call to call.
        """
        key = tf.constant([self.seed, place], tf.int64)
        iterations = self.iterations() if self.in_training_step else None
        if iterations is None:
            iterations = tf.random.uniform((), maxval=2**31 - 1, dtype=tf.int32)
        context = tf.distribute.get_replica_context()
        replica = 0 if context is None else context.replica_id_in_sync_group
        for number in (iterations, step, replica):
            number = tf.cast(number, tf.int64)
            key = tf.random.experimental.stateless_fold_in(key, number, alg="philox")
        return key


class WindowedGraph(Graph):
    """
    The graph run for one step on rows made of whole sequences.

    Parameters
    ----------
    *args
        As for `Graph`.
    stateful : bool
        Whether states are carried from one call to the next.
    **kwargs
        As for `Graph`.
    """

    def __init__(self, *args, stateful, **kwargs):
        super().__init__(*args, **kwargs)
        refuse_state(self.plan)
        plan = self.model.plan
        self.n_steps = plan.n_steps
        self.path = plan.path
        self.use_loop = False
        self.carried = []
        if stateful:
            kinds = (SimSequence, SimLastStep)
            self.carried = [op for op in self.model.operators if isinstance(op, kinds)]
            check_carried(self.carried)
        for cell in plan.cells:  # the operator of the cell knows their values
            for node in cell.nodes:
                self.invariant_inputs.pop(node, None)
        replace_builders(self, nengo_dl.op_builders.DotIncBuilder, RowsDotBuilder)

    def build(self, input_shape=None):
        """Make NengoDL's variables, and those for the states that sequences leave."""
        super().build(input_shape)
        for op in self.carried:
            self.saved_state[op] = tf.Variable(
                tf.zeros((self.batch_size, op.process.state_d), self.dtype), trainable=False
            )
            self.initial_values[op] = tf.zeros

    def build_inputs(self):
        """Keras inputs of shape (batch, n_steps, size) for each input node."""
        inputs = {
            node: tf.keras.layers.Input(
                shape=(self.n_steps, node.size_out),
                batch_size=self.batch_size,
                dtype=self.dtype,
                name=self.io_names[node],
            )
            for node in self.invariant_inputs
        }
        n_steps = tf.keras.layers.Input(
            shape=(1,), batch_size=self.batch_size, dtype="int32", name="n_steps"
        )
        return inputs, n_steps

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs, training=None, progress=None, stateful=False):
        """Fold sequences into rows, run one step, unfold what the probes show."""
        *sequences, n_steps = inputs
        if self.path == "last step":  # latest first: NengoDL takes step 0 of each row
            rows = [tf.reverse(x, [1]) for x in sequences]
        else:
            rows = [tf.reshape(x, (-1, 1, x.shape[-1])) for x in sequences]
        *probed, _ = super().call([*rows, n_steps], training, progress, stateful)
        outputs = [
            self.unfold(p, x) for p, x in zip(self.model.probes, probed, strict=True)
        ]
        return [*outputs, tf.fill((self.replica_batch,), self.n_steps)]

    def unfold(self, probe, x):
        """From rows (rows, 1, size) to (batch, steps, size)."""
        if not self.model.sig[probe]["in"].minibatched:
            return x
        x = tf.reshape(x, (self.replica_batch, -1, x.shape[-1]))
        keep = get_setting(self.model, "keep_history", True, probe)
        return x if keep else x[:, -1:]


def count_replicas():
    """Replicas of the present ``tf.distribute`` strategy; 1 without one."""
    return tf.distribute.get_strategy().num_replicas_in_sync
