"""Checks of what users give to the simulator, before NengoDL and Keras see it."""

from collections.abc import Mapping
from typing import Any

import nengo
import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo._validation import (
    check_flag,
    check_instance,
    check_integer,
    check_network,
    check_positive,
    check_seed,
    show,
)

LARGEST_BATCH = 10**5


def check_settings(network, dt, seed, minibatch_size, **flags) -> None:
    """Raise ValidationError for settings of a simulator that cannot be meant."""
    check_network(network)
    check_positive(dt, "dt")
    check_seed(seed)
    if minibatch_size is not None:
        check_integer(minibatch_size, "minibatch_size", high=LARGEST_BATCH)
    for name, value in flags.items():
        check_flag(value, name)


def check_run(data: Any, n_steps: Any = None, stateful: Any = False) -> None:
    """Raise ValidationError for data that are no arrays, or steps that are no number."""
    if n_steps is not None:
        check_integer(n_steps, "n_steps", high=2**31 - 1)
    check_flag(stateful, "stateful")
    for values in data.values() if isinstance(data, Mapping) else [data]:
        check_values(values)


def check_values(values: Any) -> None:
    """Raise ValidationError unless values are an array, a list of arrays or a data set."""
    if values is None or hasattr(values, "element_spec"):  # a tf.data.Dataset
        return
    for part in values if isinstance(values, list | tuple) and values else [values]:
        array = as_array(part)
        if array.dtype.kind not in "fiub" or array.ndim not in (2, 3):
            raise ValidationError(
                "must be real numbers, in arrays of shape (n, n_steps, size) for a node "
                "or probe or in lists of arrays of shape (n_steps, size), got "
                f"{show(values)}.",
                attr="data",
            )


def as_array(part):
    """An array of what is given, of objects if it is none."""
    try:
        return np.asarray(part)
    except (TypeError, ValueError):
        return np.asarray(None)


def check_objects(objs: Any) -> None:
    """Raise ValidationError unless something is a network, ensemble or connection."""
    kinds = nengo.Network, nengo.Ensemble, nengo.Connection
    for obj in objs:
        check_instance(obj, kinds, "objs", "networks, ensembles or connections")
