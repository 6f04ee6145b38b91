"""What training minimizes, what it reports, and how: as a user names them."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import nengo
import optax
from nengo.exceptions import ValidationError

from lmu_nengo._validation import check_choice, check_positive, show
from lmu_nengo.training.jax.data import by_object
from lmu_nengo.training.jax.losses import LOSSES, METRICS, find_function

OPTIMIZERS = {
    "adam": lambda: optax.adam(0.001, eps=1e-7),
    "sgd": lambda: optax.sgd(0.01),
}


class Objective(NamedTuple):
    """
    Losses and metrics.

    Attributes
    ----------
    losses : dict of {int: tuple of (function, float)}
        By the number of the probe, a loss and its factor.
    metrics : list of tuple of (int, str, function)
        For each, the number of the probe, the name and the function.
    names : dict of {int: str}
        Names of the probes.
    """

    losses: dict[int, tuple[Callable, float]]
    metrics: list[tuple[int, str, Callable]]
    names: dict[int, str]

    @property
    def needing(self) -> set[int]:
        """Numbers of the probes that need targets."""
        functions = [(i, f) for i, (f, _) in self.losses.items()]
        functions += [(i, f) for i, _, f in self.metrics]
        return {i for i, f in functions if getattr(f, "needs_targets", True)}


def find_objective(
    loss: Mapping | str | Callable,
    metrics: Mapping | str | None,
    loss_weights: Mapping | None,
    probes: dict[nengo.Probe, str],
    kind: type,
) -> Objective:
    """
    Find losses and metrics by their names.

    Parameters
    ----------
    loss, metrics, loss_weights : optional
        As for `Trainer.compile`.
    probes : dict of {nengo.Probe: str}
        Probes and their names.
    kind : type
        Named in errors.

    Returns
    -------
    objective : Objective
        Losses and metrics.
    """
    numbers = {probe: i for i, probe in enumerate(probes)}
    factors = by_object(loss_weights, probes, "loss_weights", kind)
    losses = {
        numbers[probe]: (
            find_function(value, LOSSES, "loss", kind)[1],
            check_positive(factors.get(probe, 1), "loss_weights", unit="", obj=kind),
        )
        for probe, value in by_object(loss, probes, "loss", kind).items()
    }
    found = []
    for probe, values in by_object(metrics, probes, "metrics", kind).items():
        for value in values if isinstance(values, list | tuple) else [values]:
            name, function = find_function(value, METRICS, "metrics", kind)
            found.append((numbers[probe], f"{probes[probe]}_{name}", function))
    return Objective(losses, found, dict(enumerate(probes.values())))


def find_optimizer(
    optimizer: str | optax.GradientTransformation, kind: type
) -> optax.GradientTransformation:
    """
    Find an optimizer by its name.

    Parameters
    ----------
    optimizer : str or optax.GradientTransformation
        Its name, or itself.
    kind : type
        Named in errors.

    Returns
    -------
    optimizer : optax.GradientTransformation
        The optimizer.
    """
    if isinstance(optimizer, str):
        check_choice(optimizer, tuple(OPTIMIZERS), "optimizer", kind)
        return OPTIMIZERS[optimizer]()
    if not isinstance(optimizer, optax.GradientTransformation):
        names = ", ".join(map(repr, OPTIMIZERS))
        raise ValidationError(
            f"must be one of {names} or an optimizer of optax, got {show(optimizer)}.",
            attr="optimizer",
            obj=kind,
        )
    return optimizer
