"""Trained parameters, written into the objects of the network."""

from typing import Any

import nengo
import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo._validation import show
from lmu_nengo.layers.lmu_cell import STATE_SPACE
from lmu_nengo.processes.sequence import Sequence
from lmu_nengo.training.jax.network.model import is_decoded
from lmu_nengo.training.plan.operators import LOG_THETA


def write(trainer: Any, objs: Any = None) -> None:
    """
    Write the present parameters of a trainer into its network.

    Parameters
    ----------
    trainer : Trainer
        The trainer.
    objs : nengo.Network or Ensemble or Connection, or list of them, optional
        What to write to; by default everything that is trained.

    Raises
    ------
    ValidationError
        If something is not in the network.
    """
    chosen = _chosen(trainer.network, objs)
    found: dict = {}
    for (owner, name), value in zip(trainer.places, trainer.parameters, strict=True):
        owner = getattr(owner, "ensemble", owner)
        found.setdefault(owner, {})[name] = np.array(trainer.devices.get(value), float)
    nodes = trainer.plan.nodes
    for owner, values in found.items():
        place = nodes.get(owner, owner) if isinstance(owner, Sequence) else owner
        if chosen is not None and place not in chosen:
            continue
        if isinstance(owner, nengo.Ensemble):
            _write_ensemble(owner, trainer.built.model.params[owner], values)
        elif isinstance(owner, nengo.Connection):
            _write_connection(owner, values["weights"])
        elif isinstance(owner, Sequence):
            owner.update(values)
        else:  # a cell; its paths are connections
            if LOG_THETA in values:
                values["theta"] = np.exp(values[LOG_THETA])
            kept = {name: values[name] for name in STATE_SPACE if name in values}
            owner.weights = {**owner.weights, **kept}


def _chosen(network, objs):
    """The objects and networks that are written to; None for all."""
    if objs is None or objs is network:
        return None
    objs = objs if isinstance(objs, list | tuple) else [objs]
    members = {network, *network.all_networks, *network.all_objects}
    chosen = set()
    for obj in objs:
        if not isinstance(obj, nengo.Network | nengo.Ensemble | nengo.Connection) or (
            obj not in members
        ):
            raise ValidationError(
                "must be the trained network, or networks, ensembles and connections in "
                f"it, got {show(obj)}.",
                attr="objs",
            )
        chosen.add(obj)
        if isinstance(obj, nengo.Network):
            chosen |= {*obj.all_networks, *obj.all_objects}
    return chosen


def _write_ensemble(ensemble, built, values):
    """Bias and encoders; the gain stays as it was built."""
    if "encoders" in values:
        gain = np.where(built.gain == 0, 1, built.gain)
        ensemble.encoders = values["encoders"] * (ensemble.radius / gain)[:, None]
        ensemble.normalize_encoders = False
    elif not isinstance(ensemble.encoders, np.ndarray):
        ensemble.encoders = built.encoders
    ensemble.gain = np.array(built.gain)
    ensemble.bias = values.get("bias", np.array(built.bias))
    ensemble.max_rates = ensemble.intercepts = nengo.params.Default


def _write_connection(conn, weights):
    """Weights, as decoders if the connection starts from an ensemble."""
    kind = type(conn.transform)
    if is_decoded(conn):
        size = len(weights)
        conn.solver = nengo.solvers.NoSolver(weights.T)
        conn.function = lambda x, size=size: np.zeros(size)  # only its size matters
        conn.transform = None
    elif kind in (nengo.Convolution, nengo.ConvolutionTranspose):
        conn.transform = _with_init(conn.transform, weights)
    else:  # a number, a vector or a matrix, as before
        conn.transform = weights.reshape(conn.transform.init_shape)


def _with_init(transform, weights):
    options = {
        "n_filters": transform.n_filters,
        "input_shape": transform.input_shape,
        "kernel_size": transform.kernel_size,
        "strides": transform.strides,
        "padding": transform.padding,
        "channels_last": transform.channels_last,
        "init": weights,
    }
    return type(transform)(**options)
