"""The compiled engine as a target: one JAX program, also for many sequences at once."""

from collections.abc import Mapping

import nengo
import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo.targets.base import TargetSimulator, need


class Simulator(TargetSimulator):
    """
    `lmu_nengo.engine.Simulator` on a copy of the network.

    Parameters
    ----------
    network : nengo.Network
        The network; it stays as it is.
    dt : float
        Step in seconds.
    seed : int, optional
        Seed of everything random for which the network has no seed.
    count_spikes : bool
        Whether to count spikes, for ``spikes`` and ``synaptic_operations``.
    **options
        ``inputs``: a dictionary from input nodes to arrays of shape (n, n_steps, size),
        sequences that replace the nodes' own output, each run from the initial state;
        ``data[probe]`` then has the shape (n, n_steps, size).
        Others are for the engine: ``minibatch_size``, the number of sequences, without or
        with ``inputs``; ``precision``, "float32" by default, or "float64";
        ``progress_bar``, ``optimize``, ``devices``.

    Raises
    ------
    ValidationError
        If the network or an argument does not fit, or JAX is not installed.

    Examples
    --------
    >>> import nengo
    >>> import numpy as np
    >>> from lmu_nengo import LegendreMemory
    >>> from lmu_nengo.targets.jax import Simulator
    >>> with nengo.Network() as network:
    ...     u = nengo.Node([0])
    ...     memory = LegendreMemory(0.1, 6)
    ...     connection = nengo.Connection(u, memory.input, synapse=None)
    ...     m = nengo.Probe(memory.output)
    >>> with Simulator(network, inputs={u: np.zeros((2, 50, 1))}) as sim:
    ...     sim.run(0.05)
    >>> sim.data[m].shape
    (2, 50, 6)
    """

    target = "jax"
    requires = ("jax",)

    def build(self, prepared, dt, seed, inputs=None, minibatch_size=None, **options):
        """Make `lmu_nengo.engine.Simulator`."""
        engine = need("lmu_nengo.engine", "jax")
        self._inputs, n = {}, minibatch_size
        if inputs is not None:
            self._inputs, n = check_inputs(inputs, prepared.objects, minibatch_size)
        options = {"progress_bar": False, **options}
        return engine.Simulator(
            prepared.network, dt=dt, seed=seed, minibatch_size=n, **options
        )

    def run(self, duration: float) -> None:
        """
        Run.

        Parameters
        ----------
        duration : float
            Time to simulate in seconds.

        Raises
        ------
        ValidationError
            If the inputs end before.
        """
        first = self.simulator.n_steps
        end = first + int(np.round(duration / self.simulator.dt))
        for x in self._inputs.values():
            if end > x.shape[1]:
                raise ValidationError(
                    f"{end} steps in all are more than the {x.shape[1]} steps of the "
                    "inputs.",
                    attr="duration",
                    obj=self,
                )
        data = {node: x[:, first:end] for node, x in self._inputs.items()}
        self.simulator.run(duration, data=data)


def check_inputs(
    inputs: Mapping, objects: Mapping, minibatch_size: int | None
) -> tuple[dict, int]:
    """
    Check sequences for input nodes.

    Parameters
    ----------
    inputs : dict of {nengo.Node: array_like}
        By node of the user's network.
    objects : dict
        The copy of each object of that network.
    minibatch_size : int or None
        The number of sequences, if it was given.

    Returns
    -------
    by_copy : dict of {nengo.Node: ndarray of shape (n, n_steps, size)}
        By node of the copy.
    n : int
        Number of sequences.

    Raises
    ------
    ValidationError
        If they do not fit.
    """
    by_copy = {}
    for node, x in inputs.items():
        copy = objects.get(node) if isinstance(node, nengo.Node) else None
        x = np.asarray(x)
        is_input = copy is not None and copy.size_in == 0
        if not is_input or x.ndim != 3 or x.shape[2] != copy.size_out:
            raise ValidationError(
                "each key must be an input node of the network, and its array must have "
                f"the shape (n, n_steps, size of the node), got {node} with {x.shape}.",
                attr="inputs",
            )
        by_copy[copy] = x
    shapes = {x.shape[:2] for x in by_copy.values()}
    if len(shapes) != 1 or 0 in min(shapes):
        raise ValidationError(
            "arrays must have the same n and n_steps for all nodes, both above 0, got "
            f"{[x.shape for x in by_copy.values()]}.",
            attr="inputs",
        )
    n, _ = shapes.pop()
    if minibatch_size not in (None, n):
        raise ValidationError(
            f"must be the number of sequences in inputs, {n}, or left out, got "
            f"{minibatch_size}.",
            attr="minibatch_size",
        )
    return by_copy, n
