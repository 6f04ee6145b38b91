"""Figures with Matplotlib (extra ``plotting``).

Every function takes ``axes`` to draw on and returns them; without, it makes a new figure
of ``matplotlib.pyplot``. Matplotlib is imported when something is drawn.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from nengo.exceptions import ValidationError
from numpy.typing import ArrayLike

from lmu_nengo._validation import (
    check_array,
    check_instance,
    check_positive,
    is_finite,
    show,
)
from lmu_nengo.io.atomic import write_atomically
from lmu_nengo.signal.discretization import discretize, impulse_response
from lmu_nengo.signal.legendre import delay_decoders, reconstruct_window, state_space

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

N_POINTS = 201  # per smooth curve


def window(
    memory: ArrayLike,
    theta: float,
    truth: ArrayLike | None = None,
    now: float = 0.0,
    axes: Axes | None = None,
) -> Axes:
    """
    Draw the window that a memory represents, and the input itself.

    Parameters
    ----------
    memory : array_like of shape (order,)
        Legendre coefficients of one channel at one time.
    theta : float
        Length of the window in seconds.
    truth : array_like of shape (n_steps,), optional
        Input in the last ``theta`` seconds, evenly spaced, newest value last.
    now : float
        That time in seconds, where the curves end.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    axes : matplotlib.axes.Axes
        Contains the lines "input", if ``truth`` is given, and "reconstruction".

    Raises
    ------
    ValidationError
        If an array has another shape, or ``theta`` is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from lmu_nengo.viz import window
    >>> axes = window([0.0, 1.0], 0.5, truth=np.linspace(1, -1, 500), axes=Figure().gca())
    >>> [line.get_label() for line in axes.lines]
    ['input', 'reconstruction']
    """
    memory = check_shape(memory, "memory", 1)
    theta = check_positive(theta, "theta")
    if not is_finite(now):
        raise ValidationError(f"must be a finite number, got {show(now)}.", attr="now")
    axes = given_or_new(axes)
    if truth is not None:
        truth = check_shape(truth, "truth", 1)
        ago = np.linspace(now - theta, now, len(truth))
        axes.plot(ago, truth, color="0.7", lw=4, label="input")
    points = np.linspace(1, 0, N_POINTS)
    values = reconstruct_window(memory, points)
    label = "reconstruction"
    axes.plot(now - theta * points, values, color="tab:red", lw=1.5, label=label)
    axes.set(xlabel="time (s)", ylabel="value")
    return axes


def basis(order: int, axes: Axes | None = None) -> Axes:
    """
    Draw the Legendre polynomials to which the coefficients belong.

    Parameters
    ----------
    order : int
        Number of polynomials, at least 1.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    axes : matplotlib.axes.Axes
        Contains one line for each polynomial, over delay / theta.

    Raises
    ------
    ValidationError
        If ``order`` is not a positive integer.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from lmu_nengo.viz import basis
    >>> len(basis(6, axes=Figure().gca()).lines)
    6
    """
    points = np.linspace(0, 1, N_POINTS)
    values = delay_decoders(order, points)
    axes = given_or_new(axes)
    for i, line in enumerate(values.T):
        axes.plot(points, line, color=shade(i, order), lw=1.2, label=f"{i}")
    axes.set(xlabel="delay / theta", ylabel="Legendre polynomial", xlim=(0, 1))
    return axes


def impulse_responses(
    theta: float, order: int, dt: float = 0.001, axes: Axes | None = None
) -> Axes:
    """
    Draw the response of a memory's coefficients to a pulse of area 1.

    Parameters
    ----------
    theta : float
        Length of the window in seconds.
    order : int
        Number of Legendre polynomials, at least 1.
    dt : float
        Time step in seconds.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    axes : matplotlib.axes.Axes
        Contains one line for each coefficient, over ``2 * theta`` seconds.

    Raises
    ------
    ValidationError
        If a number is out of range.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from lmu_nengo.viz import impulse_responses
    >>> axes = impulse_responses(theta=0.5, order=3, axes=Figure().gca())
    >>> len(axes.lines)  # a dashed line marks theta
    4
    """
    dt = check_positive(dt, "dt")
    Ad, Bd = discretize(*state_space(theta, order), dt)
    n_steps = max(2, round(2 * float(theta) / dt))
    response = impulse_response(Ad, Bd, n_steps) / dt
    t = dt * np.arange(1, n_steps + 1)  # a value is held until the end of its step
    axes = given_or_new(axes)
    for i, line in enumerate(response.T):
        axes.plot(t, line, color=shade(i, order), lw=1.2, label=f"{i}")
    axes.axvline(theta, color="0.7", lw=0.8, ls="--")
    axes.set(xlabel="time after the pulse (s)", ylabel="coefficient (1/s)")
    axes.set_xlim(0, t[-1])
    return axes


def raster(
    t: ArrayLike,
    spikes: ArrayLike,
    decoded: ArrayLike | None = None,
    ylabel: str = "decoded value",
    axes: Axes | None = None,
) -> Axes:
    """
    Draw a spike raster and, optionally, the values decoded from the spikes.

    Parameters
    ----------
    t : array_like of shape (n_steps,)
        Times in seconds.
    spikes : array_like of shape (n_steps, n_neurons)
        Data of a probe on ``ensemble.neurons``: positive where a neuron spikes.
    decoded : array_like of shape (n_steps,) or (n_steps, size), optional
        Decoded values, drawn on an axis of their own at the right.
    ylabel : str
        Label of that axis.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    axes : matplotlib.axes.Axes
        Contains one row for each neuron, the first at the bottom. The decoded values are
        in ``axes.figure.axes[-1]``.

    Raises
    ------
    ValidationError
        If the shapes do not match.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from lmu_nengo.viz import raster
    >>> spikes = np.eye(3)  # one spike in each of three neurons
    >>> axes = raster([0.001, 0.002, 0.003], spikes, axes=Figure().gca())
    >>> len(axes.collections)
    3
    """
    t, spikes = check_shape(t, "t", 1), check_shape(spikes, "spikes", 2)
    check_length(spikes, "spikes", t, "t")
    axes = given_or_new(axes)
    trains = [t[train > 0] for train in spikes.T]
    axes.eventplot(trains, colors="0.3", lw=0.9, linelengths=0.8)
    axes.set(xlabel="time (s)", ylabel="neuron", xlim=(t[0], t[-1]))
    axes.set_ylim(-0.5, len(trains) - 0.5)
    if decoded is not None:
        decoded = check_array(decoded, "decoded", (...,), finite=False)
        check_length(decoded, "decoded", t, "t")
        decoded = check_shape(decoded, "decoded", min(decoded.ndim, 2))
        right = axes.twinx()
        right.plot(t, decoded, color="tab:red", lw=1.5)
        right.set_ylabel(ylabel, color="tab:red")
        right.tick_params(axis="y", colors="tab:red")
    return axes


def errors(
    sizes: ArrayLike,
    values: ArrayLike,
    xlabel: str = "neurons",
    label: str | None = None,
    slope: float | None = None,
    axes: Axes | None = None,
) -> Axes:
    """
    Draw the error against the number of neurons, the order, or another size.

    Parameters
    ----------
    sizes : array_like of shape (n_sizes,)
        Positive sizes.
    values : array_like of shape (n_sizes,) or (n_sizes, n_seeds)
        Positive errors. For several seeds, their mean is drawn, and a band from the
        smallest to the largest.
    xlabel : str
        What the sizes are.
    label : str, optional
        Label of the line.
    slope : float, optional
        Exponent of a dashed line through the first mean, such as theory predicts.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure. Both axes become logarithmic.

    Returns
    -------
    axes : matplotlib.axes.Axes
        Contains the line of the means, followed by the dashed one.

    Raises
    ------
    ValidationError
        If the shapes do not match.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from lmu_nengo.viz import errors
    >>> axes = errors([100, 400], [0.2, 0.1], slope=-0.5, axes=Figure().gca())
    >>> [line.get_label() for line in axes.lines][1]
    'exponent -0.5'
    """
    sizes = check_shape(sizes, "sizes", 1)
    values = check_array(values, "values", (...,), finite=False)
    check_length(values, "values", sizes, "sizes")
    if slope is not None and not is_finite(slope):
        message = f"must be a finite number or None, got {show(slope)}."
        raise ValidationError(message, attr="slope")
    seeds = values.reshape(len(sizes), -1)
    mean = seeds.mean(axis=1)
    axes = given_or_new(axes)
    (line,) = axes.plot(sizes, mean, "o-", ms=4, lw=1.2, label=label)
    if seeds.shape[1] > 1:
        band = seeds.min(axis=1), seeds.max(axis=1)
        axes.fill_between(sizes, *band, color=line.get_color(), alpha=0.2, lw=0)
    if slope is not None:
        expected = mean[0] * (sizes / sizes[0]) ** slope
        axes.plot(sizes, expected, "--", color="0.5", lw=1, label=f"exponent {slope:g}")
    axes.set(xscale="log", yscale="log", xlabel=xlabel, ylabel="NRMSE")
    return axes


def training_curves(
    history: Mapping[str, ArrayLike], ylabel: str = "loss", axes: Axes | None = None
) -> Axes:
    """
    Draw losses or metrics over the epochs of training.

    Parameters
    ----------
    history : dict of {str: array_like of shape (n_epochs,)}
        Values by epoch, such as ``history.history`` of Keras or a part of it.
    ylabel : str
        What the values are.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    axes : matplotlib.axes.Axes
        Contains one line for each name, from epoch 1 on.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from lmu_nengo.viz import training_curves
    >>> history = {"loss": [1.0, 0.5], "val_loss": [1.1, 0.7]}
    >>> axes = training_curves(history, axes=Figure().gca())
    >>> [line.get_label() for line in axes.lines]
    ['loss', 'val_loss']
    """
    history = dict(check_instance(history, Mapping, "history", "a dictionary"))
    for name, values in history.items():
        history[name] = check_shape(values, f"history[{name!r}]", 1)
    axes = given_or_new(axes)
    for name, values in history.items():
        axes.plot(np.arange(1, len(values) + 1), values, lw=1.5, label=name)
    axes.set(xlabel="epoch", ylabel=ylabel)
    if len(history) > 1:
        axes.legend(frameon=False)
    return axes


def given_or_new(axes):
    """Return given axes, or those of a new figure of ``matplotlib.pyplot``."""
    from matplotlib import pyplot
    from matplotlib.axes import Axes

    if axes is None:
        _, axes = pyplot.subplots(layout="constrained")
    return check_instance(axes, Axes, "axes", "Matplotlib axes or None")


def shade(i, n):
    """Return the color of the i-th of n lines, from dark to light."""
    from matplotlib import colormaps

    return colormaps["viridis"](0.9 * i / max(1, n - 1))


def check_shape(values, attr, dimensions):
    """Return a non-empty array of that many dimensions, or raise ValidationError."""
    shape = tuple(f"n_{i}" for i in range(dimensions))
    return check_array(values, attr, shape, finite=False)


def check_length(values, attr, other, name):
    """Raise ValidationError unless two arrays have the same length."""
    if values.ndim == 0 or len(values) != len(other):
        raise ValidationError(
            f"must have length {len(other)} like {name}, got shape {values.shape}.",
            attr=attr,
        )


def command_line(draw: Callable[[float], Figure], text: str, seconds: float) -> None:
    """
    Run a script of ``networks/``: read options, simulate, then show or save the figure.

    Parameters
    ----------
    draw : callable
        ``draw(seconds)`` simulates and returns a figure of ``matplotlib.pyplot``.
    text : str
        Docstring of the script: a title, its underline, and the help text.
    seconds : float
        Default duration of the simulation.
    """
    import click
    from matplotlib import pyplot

    lines = text.strip().splitlines()  # Sphinx-Gallery removes the docstring

    @click.command(help="\n".join(lines[:1] + lines[2:]))
    @click.option("--out", help="Save the figure to this file instead of showing it.")
    @click.option(
        "--seconds", default=seconds, show_default=True, help="Simulated time in seconds."
    )
    def command(out, seconds):
        """Read the options."""
        figure = draw(seconds)
        if out:
            content = io.BytesIO()
            figure.savefig(content, dpi=150, format=Path(out).suffix[1:] or "png")
            try:
                write_atomically(out, content.getvalue())
            except ValidationError as error:
                raise click.ClickException(str(error)) from error
        else:
            pyplot.show()

    try:
        command(standalone_mode=False)  # do not exit: Sphinx-Gallery goes on
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from None
