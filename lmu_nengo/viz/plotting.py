"""Pictures with Matplotlib (extra ``plotting``): axes are passed in and returned.

Matplotlib is imported when something is drawn. Without axes, a function draws into a new
figure of ``matplotlib.pyplot``.
"""

import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo._validation import check_positive
from lmu_nengo.signal.discretization import discretize, impulse_response
from lmu_nengo.signal.legendre import delay_decoders, reconstruct_window, state_space

N_POINTS = 201  # of a smooth curve


def window(memory, theta, truth=None, now=0.0, axes=None):
    """
    Draw the window that a memory holds, beside what really came in.

    Parameters
    ----------
    memory : array_like of shape (order,)
        Legendre coefficients of one channel at one moment.
    theta : float
        Length of the window in seconds.
    truth : array_like of shape (n_steps,), optional
        What came in in the last ``theta`` seconds, evenly spaced, the newest value last.
    now : float
        That moment in seconds, the right end of the curves.
    axes : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    axes : matplotlib.axes.Axes
        With the lines "what came in", if there is a truth, and "what the memory holds".

    Raises
    ------
    ValidationError
        If ``memory`` has another shape, or ``theta`` is not above 0.
    """
    memory = check_shape(memory, "memory", 1)
    theta = check_positive(theta, "theta")
    axes = new_axes() if axes is None else axes
    if truth is not None:
        truth = check_shape(truth, "truth", 1)
        ago = np.linspace(now - theta, now, len(truth))
        axes.plot(ago, truth, color="0.7", lw=4, label="what came in")
    points = np.linspace(1, 0, N_POINTS)
    values = reconstruct_window(memory, points)
    label = "what the memory holds"
    axes.plot(now - theta * points, values, color="tab:red", lw=1.5, label=label)
    axes.set(xlabel="time (s)", ylabel="value")
    return axes


def basis(order, axes=None):
    """
    Draw the Legendre polynomials that the coefficients belong to.

    Parameters
    ----------
    order : int
        Number of polynomials, at least 1.
    axes : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    axes : matplotlib.axes.Axes
        One line for each polynomial, over delay / theta.
    """
    points = np.linspace(0, 1, N_POINTS)
    values = delay_decoders(order, points)
    axes = new_axes() if axes is None else axes
    for i, line in enumerate(values.T):
        axes.plot(points, line, color=shade(i, order), lw=1.2, label=f"{i}")
    axes.set(xlabel="delay / theta", ylabel="Legendre polynomial", xlim=(0, 1))
    return axes


def impulse_responses(order, theta, dt=0.001, axes=None):
    """
    Draw what a memory's coefficients do after a pulse of area 1.

    Parameters
    ----------
    order : int
        Number of Legendre polynomials, at least 1.
    theta : float
        Length of the window in seconds.
    dt : float
        Step in seconds.
    axes : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    axes : matplotlib.axes.Axes
        One line for each coefficient, over two windows.
    """
    Ad, Bd = discretize(*state_space(theta, order), dt)
    n_steps = max(2, round(2 * theta / dt))
    response = impulse_response(Ad, Bd, n_steps) / dt
    t = dt * np.arange(1, n_steps + 1)  # a value is held until the end of its step
    axes = new_axes() if axes is None else axes
    for i, line in enumerate(response.T):
        axes.plot(t, line, color=shade(i, order), lw=1.2, label=f"{i}")
    axes.axvline(theta, color="0.7", lw=0.8, ls="--")
    axes.set(xlabel="time after the pulse (s)", ylabel="coefficient (1/s)")
    axes.set_xlim(0, t[-1])
    return axes


def raster(t, spikes, decoded=None, ylabel="decoded value", axes=None):
    """
    Draw spikes, and over them what is decoded from them.

    Parameters
    ----------
    t : array_like of shape (n_steps,)
        Times in seconds.
    spikes : array_like of shape (n_steps, n_neurons)
        Above 0 where a neuron fires, as a probe on ``ensemble.neurons`` gives it.
    decoded : array_like of shape (n_steps,) or (n_steps, size), optional
        Decoded values, drawn on an axis of their own at the right.
    ylabel : str
        Name of the decoded values.
    axes : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    axes : matplotlib.axes.Axes
        One row for each neuron, the first at the bottom. The decoded values are on
        ``axes.figure.axes[-1]``.

    Raises
    ------
    ValidationError
        If the shapes do not fit.
    """
    t, spikes = check_shape(t, "t", 1), check_shape(spikes, "spikes", 2)
    check_length(spikes, "spikes", t)
    axes = new_axes() if axes is None else axes
    trains = [t[train > 0] for train in spikes.T]
    axes.eventplot(trains, colors="0.3", lw=0.9, linelengths=0.8)
    axes.set(xlabel="time (s)", ylabel="neuron", xlim=(t[0], t[-1]))
    axes.set_ylim(-0.5, len(trains) - 0.5)
    if decoded is not None:
        decoded = np.asarray(decoded, dtype=float)
        check_length(decoded, "decoded", t)
        right = axes.twinx()
        right.plot(t, decoded, color="tab:red", lw=1.5)
        right.set_ylabel(ylabel, color="tab:red")
        right.tick_params(axis="y", colors="tab:red")
    return axes


def errors(sizes, values, xlabel="neurons", label=None, slope=None, axes=None):
    """
    Draw error against the number of neurons, the order or another size.

    Parameters
    ----------
    sizes : array_like of shape (n_sizes,)
        Sizes, above 0.
    values : array_like of shape (n_sizes,) or (n_sizes, n_seeds)
        Errors, above 0; for several seeds their mean is drawn, and a band from the
        smallest to the largest.
    xlabel : str
        What the sizes are.
    label : str, optional
        Name of the line.
    slope : float, optional
        Exponent of a dashed line through the first mean: what theory expects.
    axes : matplotlib.axes.Axes, optional
        Where to draw, with logarithms on both axes.

    Returns
    -------
    axes : matplotlib.axes.Axes
        The line of the means first, then the expected one.

    Raises
    ------
    ValidationError
        If the shapes do not fit.
    """
    sizes = check_shape(sizes, "sizes", 1)
    values = np.asarray(values, dtype=float)
    check_length(values, "values", sizes)
    seeds = values.reshape(len(sizes), -1)
    mean = seeds.mean(axis=1)
    axes = new_axes() if axes is None else axes
    (line,) = axes.plot(sizes, mean, "o-", ms=4, lw=1.2, label=label)
    if seeds.shape[1] > 1:
        band = seeds.min(axis=1), seeds.max(axis=1)
        axes.fill_between(sizes, *band, color=line.get_color(), alpha=0.2, lw=0)
    if slope is not None:
        expected = mean[0] * (sizes / sizes[0]) ** slope
        axes.plot(sizes, expected, "--", color="0.5", lw=1, label=f"exponent {slope:g}")
    axes.set(xscale="log", yscale="log", xlabel=xlabel, ylabel="NRMSE")
    return axes


def training_curves(history, ylabel="loss", axes=None):
    """
    Draw how training went.

    Parameters
    ----------
    history : dict of {str: array_like of shape (n_epochs,)}
        Values by epoch, such as Keras' ``history.history`` or a part of it.
    ylabel : str
        What they are.
    axes : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    axes : matplotlib.axes.Axes
        One line for each name, from epoch 1 on.
    """
    axes = new_axes() if axes is None else axes
    for name, values in history.items():
        axes.plot(np.arange(1, len(values) + 1), values, lw=1.5, label=name)
    axes.set(xlabel="epoch", ylabel=ylabel)
    if len(history) > 1:
        axes.legend(frameon=False)
    return axes


def new_axes():
    """Axes of a new figure of ``matplotlib.pyplot``."""
    from matplotlib import pyplot

    _, axes = pyplot.subplots(layout="constrained")
    return axes


def shade(i, n):
    """Colour of the i-th of n lines: from dark to light."""
    from matplotlib import colormaps

    return colormaps["viridis"](0.9 * i / max(1, n - 1))


def check_shape(values, attr, dimensions):
    """Return an array of so many dimensions, or raise ValidationError."""
    values = np.asarray(values, dtype=float)
    if values.ndim != dimensions or not values.size:
        raise ValidationError(
            f"got an array of shape {values.shape}, expected {dimensions} dimension(s) and "
            "at least one value.",
            attr=attr,
        )
    return values


def check_length(values, attr, beside):
    """Raise ValidationError unless two arrays are of the same length."""
    if values.ndim == 0 or len(values) != len(beside):
        raise ValidationError(
            f"got an array of shape {values.shape}, expected {len(beside)} in the first "
            "dimension, as in the other array.",
            attr=attr,
        )


def command_line(draw, text, seconds):
    """
    Run a script of ``networks/``: read its options, simulate, show or save the picture.

    Parameters
    ----------
    draw : callable
        ``draw(seconds)`` simulates and returns a figure of ``matplotlib.pyplot``.
    text : str
        The script's docstring: a title, its underline, and the help.
    seconds : float
        How long to simulate unless told otherwise.
    """
    import click
    from matplotlib import pyplot

    lines = text.strip().splitlines()  # none in Sphinx-Gallery, which takes it away

    @click.command(help="\n".join(lines[:1] + lines[2:]))
    @click.option("--out", help="Write the picture to this file instead of showing it.")
    @click.option("--seconds", default=seconds, show_default=True, help="How long to run.")
    def command(out, seconds):
        """Read the options."""
        figure = draw(seconds)
        if out:
            figure.savefig(out, dpi=150)
        else:
            pyplot.show()

    try:
        command(standalone_mode=False)  # Sphinx-Gallery must be able to go on
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from None
