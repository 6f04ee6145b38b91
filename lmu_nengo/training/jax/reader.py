"""Data of a user, by node and by probe, as arrays of one shape."""

from collections.abc import Mapping
from typing import Any

import nengo
import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo.training.jax.data import (
    Data,
    by_object,
    check_inputs,
    check_targets,
    check_weights,
    names_of,
)
from lmu_nengo.training.lengths import by_probe, is_ragged, make_batch
from lmu_nengo.training.plan.checks import warn_of_zeros


class Reader:
    """
    Checks data, pads sequences of different lengths and finds what each part counts.

    Parameters
    ----------
    network : nengo.Network
        The network.
    nodes : list of nengo.Node
        Nodes that may be given data.
    keeps : dict of {nengo.Probe: bool}
        For each probe, whether it keeps its history.
    n_steps : int or None
        Steps for which the network was built.
    kind : type
        Named in errors.

    Attributes
    ----------
    inputs, probes : dict of {object: str}
        Names of nodes and probes.
    needing : set of nengo.Probe
        Probes that need targets.
    """

    def __init__(
        self,
        network: nengo.Network,
        nodes: list[nengo.Node],
        keeps: dict[nengo.Probe, bool],
        n_steps: int | None,
        kind: type,
    ):
        self.network, self.keeps, self.n_steps, self.kind = network, keeps, n_steps, kind
        self.inputs, self.probes = names_of(nodes, "node"), names_of(list(keeps), "probe")
        self.needing: set[nengo.Probe] = set()

    def read(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping | None = None,
        need_targets: bool = True,
        **options: Any,
    ) -> Data:
        """
        Read data.

        Parameters
        ----------
        x, y, sample_weight, class_weight : optional
            As for `Trainer.fit`.
        need_targets : bool
            Whether there must be targets for what needs them.
        **options
            ``lengths``, ``mask`` and ``skip``, as for `Trainer.fit`; None for none.

        Returns
        -------
        data : Data
            The data.

        Raises
        ------
        ValidationError
            If they do not fit.
        """
        if is_ragged(x):
            x = {next(iter(self.inputs)): x}
        if is_ragged(y):
            y = {next(iter(self.probes)): y}
        x = by_object(x, self.inputs, "x", self.kind)
        y = by_object(y, self.probes, "y", self.kind)
        weights, lengths = {}, None
        ragged = any(map(is_ragged, (*x.values(), *y.values())))
        if ragged or class_weight or any(v is not None for v in options.values()):
            x, y, weights, lengths = self._padded(x, y, class_weight, options)
        x = check_inputs(x, self.inputs, self.n_steps, self.kind)
        n, n_steps = next(iter(x.values())).shape[:2]
        shapes = {
            probe: (n_steps if keep else 1, probe.size_in)
            for probe, keep in self.keeps.items()
        }
        y = check_targets(y, self.probes, shapes, n, self.kind)
        missing = [name for p, name in self.probes.items() if p in self.needing - set(y)]
        if need_targets and missing:
            raise ValidationError(
                f"must hold targets for {', '.join(missing)}, which has a loss or a "
                "metric.",
                attr="y",
                obj=self.kind,
            )
        given = by_object(sample_weight, self.probes, "sample_weight", self.kind)
        for probe, values in check_weights(given, shapes, n, self.kind).items():
            weights[probe] = values * weights.get(probe, 1)
        numbers = {node: i for i, node in enumerate(self.inputs)}
        numbers |= {probe: i for i, probe in enumerate(self.probes)}
        arrays = {
            group: {numbers[obj]: values for obj, values in found.items()}
            for group, found in (("x", x), ("y", y), ("weights", weights))
        }
        return Data(arrays, n, n_steps, lengths)

    def _padded(self, x, y, class_weight, options):
        """Sequences of different lengths as arrays, with weights."""
        if class_weight:
            class_weight = by_probe(class_weight, list(y), self.kind)
            found = by_object(class_weight, self.probes, "class_weight", self.kind)
            class_weight = {self.probes[probe]: v for probe, v in found.items()}
        batch = make_batch(
            {self.inputs[node]: values for node, values in x.items()},
            {self.probes[probe]: values for probe, values in y.items()} or None,
            class_weight=class_weight,
            n_steps=self.n_steps,
            **options,
        )
        nodes = {name: node for node, name in self.inputs.items()}
        x = {nodes[name]: values for name, values in batch.x.items()}
        probes = {name: probe for probe, name in self.probes.items()}
        y = {probes[name]: values for name, values in (batch.y or {}).items()}
        weights = {
            probes[name]: values.astype(np.float32)
            for name, values in (batch.weights or {}).items()
        }
        if len(set(batch.lengths)) > 1:
            warn_of_zeros(self.network)
        n_steps = next(iter(batch.x.values())).shape[1]
        differ = (batch.lengths != n_steps).any()
        return x, y, weights, batch.lengths if differ else None
