"""Nengo GUI: a memory's window, drawn live beside what really came in.

Nengo GUI shows the ``_nengo_html_`` of a node's output function as it changes; here that
is a picture in SVG. Neither Nengo GUI nor a browser is needed to import this, or to run it.
"""

import math
from xml.sax.saxutils import escape

import nengo
import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo._validation import check_integer, check_positive
from lmu_nengo.memory.network import LegendreMemory
from lmu_nengo.signal.legendre import delay_decoders

MAX_PANELS = 4  # channels that are shown unless the user says which
N_POINTS = 81  # of a curve
INTERVAL = 0.02  # seconds of simulated time from picture to picture
WIDTH, HEIGHT = 400, 240  # of the picture, in its own unit
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 30, 40  # its margins
GAP = 12  # between panels
TRUTH, RECONSTRUCTED = "#b0b0b0", "#d62728"


def window_view(memory, channels=None, limits=None, unit=None, label=None):
    """
    Add a node that shows the window which a memory holds, live in Nengo GUI.

    Right-click on the node in Nengo GUI and choose "HTML". It draws the last ``theta``
    seconds as the memory's coefficients describe them, over what really came in.

    Parameters
    ----------
    memory : LegendreMemory
        The memory, in any realization that runs step by step. Of an `LMUCell` give
        ``cell.memory``.
    channels : iterable of int, optional
        Channels to show, each in a panel of its own; by default the first four.
    limits : tuple of (float, float), optional
        Lowest and highest value on the axes. By default they follow what came in.
    unit : str, optional
        Unit of the input, for the axes.
    label : str, optional
        Name of the node; by default that of the memory, and "window".

    Returns
    -------
    view : nengo.Node
        It has no output. Its function, ``view.output``, is a `WindowView`.

    Raises
    ------
    ValidationError
        If the memory is no LegendreMemory, or channels or limits do not fit it.

    Examples
    --------
    >>> with nengo.Network() as model:
    ...     memory = LegendreMemory(theta=1.0, order=6)
    ...     view = window_view(memory)
    """
    if not isinstance(memory, LegendreMemory):
        raise ValidationError(
            f"got {memory!r}, expected a LegendreMemory. An LMUCell has one: cell.memory.",
            attr="memory",
        )
    n = memory.memory_d
    channels = list(range(min(n, MAX_PANELS)) if channels is None else channels)
    for channel in channels:
        if check_integer(channel, "channels", low=0) >= n:
            raise ValidationError(
                f"got {channel}, expected at most {n - 1}: the memory has {n} channels, "
                "counted from 0.",
                attr="channels",
            )
    if not channels:
        raise ValidationError("got none, expected at least one channel.", attr="channels")
    function = WindowView(memory.theta, memory.order, memory.dt, channels, limits, unit)
    if label is None:
        label = f"{memory.label}: window" if memory.label else "window"
    view = nengo.Node(
        function, size_in=len(channels) * (1 + memory.order), size_out=0, label=label
    )
    coefficients = np.arange(n * memory.order).reshape(n, -1)[channels].ravel()
    nengo.Connection(memory.input[channels], view[: len(channels)], synapse=None)
    nengo.Connection(
        memory.output[coefficients.tolist()], view[len(channels) :], synapse=None
    )
    return view


class WindowView:
    """
    What the node of `window_view` computes in each step.

    Parameters
    ----------
    theta : float
        Length of the window in seconds.
    order : int
        Legendre polynomials per channel.
    dt : float
        Step in seconds.
    channels : list of int
        Names of the channels that it gets.
    limits : tuple of (float, float), optional
        Lowest and highest value on the axes; ``None`` follows what came in.
    unit : str, optional
        Unit of the input.

    Attributes
    ----------
    delays : ndarray of shape (n_points,)
        Delays in seconds at which the window is looked at, from theta to 0.
    truth : ndarray of shape (n_points, n_channels)
        What came in that long ago.
    reconstruction : ndarray of shape (n_points, n_channels)
        What the memory makes of it.
    _nengo_html_ : str
        Both as a picture in SVG, made anew every 20 ms.

    Raises
    ------
    ValidationError
        If a number is out of range.
    """

    def __init__(self, theta, order, dt, channels, limits=None, unit=None):
        self.theta = check_positive(theta, "theta")
        self.dt = check_positive(dt, "dt")
        self.channels = channels
        self.limits = None if limits is None else check_limits(limits)
        self.unit = unit
        points = np.linspace(1, 0, N_POINTS)
        self.delays = points * theta
        self.decoders = delay_decoders(order, points)
        # the newest value is held from half a step ago to half a step ahead of its middle
        self.ages = np.clip(self.delays / dt - 0.5, 0, None)
        self.past = np.zeros((math.ceil(theta / dt) + 2, len(channels)))
        self.every = max(1, round(INTERVAL / dt))
        self.reset()

    def reset(self):
        """Forget everything, as when a simulation begins."""
        self.past[:] = 0
        self.n_steps, self.last = 0, -math.inf
        self.largest, self.smallest = 0.0, 0.0
        self.reconstruction = np.zeros((N_POINTS, len(self.channels)))
        self.truth = self.reconstruction
        self._nengo_html_ = self.draw()

    def __call__(self, t, x):
        """Take the values and the coefficients of one step."""
        if t <= self.last:  # another simulation
            self.reset()
        self.last = t
        n = len(self.channels)
        newest = self.n_steps % len(self.past)
        self.past[newest] = x[:n]
        self.largest = max(self.largest, x[:n].max())
        self.smallest = min(self.smallest, x[:n].min())
        if self.n_steps % self.every == 0:
            older = self.ages.astype(int)
            part = (self.ages - older)[:, None]
            older = newest - older  # below zero counts from the end
            self.truth = (1 - part) * self.past[older] + part * self.past[older - 1]
            self.reconstruction = self.decoders @ np.reshape(x[n:], (n, -1)).T
            self._nengo_html_ = self.draw()
        self.n_steps += 1

    def draw(self):
        """Picture of all panels, as SVG."""
        low, high = self.limits or nice_limits(self.smallest, self.largest)
        n = len(self.channels)
        height = (HEIGHT - TOP - BOTTOM - GAP * (n - 1)) / n
        right = WIDTH - RIGHT
        parts = [legend()]
        for i, channel in enumerate(self.channels):
            top = TOP + i * (height + GAP)
            name = "input" if n == 1 else f"input {channel}"
            name = f"{name} ({self.unit})" if self.unit else name
            parts.append(axes(top, height, low, high, name))
            curves = (self.truth, TRUTH, 5), (self.reconstruction, RECONSTRUCTED, 1.8)
            for values, color, width in curves:
                y = top + height * (high - np.clip(values[:, i], low, high)) / (high - low)
                parts.append(curve(y, color, width))
        bottom = HEIGHT - BOTTOM
        for part, anchor in ((0, "start"), (0.5, "middle"), (1, "end")):
            x = LEFT + part * (right - LEFT)
            parts.append(text(x, bottom + 15, f"{(part - 1) * self.theta:g}", anchor))
        parts.append(text((LEFT + right) / 2, HEIGHT - 8, "time from now (s)", "middle"))
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="100%" height="100%" '
            f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">'
            f"{''.join(parts)}</svg>"
        )


def check_limits(limits):
    """Return limits as two floats, the first below the second, or raise ValidationError."""
    try:
        low, high = (float(limit) for limit in limits)
    except (TypeError, ValueError):
        low, high = math.nan, math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValidationError(
            f"got {limits!r}, expected two numbers, the lower one first: (-1, 1), say.",
            attr="limits",
        )
    return low, high


def nice_limits(smallest, largest):
    """Round limits that leave room for everything from ``smallest`` to ``largest``."""
    size = max(-smallest, largest, 1e-9)
    unit = 10.0 ** math.floor(math.log10(size))
    high = next(m * unit for m in (1, 2, 5, 10, 20) if m * unit >= size)
    return (-high if smallest < 0 else 0.0), high


def axes(top, height, low, high, name):
    """Frame of a panel with its ticks, its zero line and the name of its values."""
    right, bottom = WIDTH - RIGHT, top + height
    parts = [
        f'<rect x="{LEFT}" y="{top:.1f}" width="{right - LEFT}" height="{height:.1f}" '
        'fill="none" stroke="black" stroke-width="0.8"/>'
    ]
    if low < 0 < high:
        zero = top + height * high / (high - low)
        parts.append(
            f'<path d="M{LEFT} {zero:.1f}H{right}" stroke="#d0d0d0" stroke-width="0.8"/>'
        )
    parts.append(text(LEFT - 5, top + 9, f"{high:g}", "end"))
    parts.append(text(LEFT - 5, bottom, f"{low:g}", "end"))
    x, y = 14, top + height / 2
    turned = f' transform="rotate(-90 {x} {y:.1f})"'
    parts.append(text(x, y, name, "middle", turned))
    return "".join(parts)


def curve(y, color, width):
    """Line through values at all points of the window."""
    x = np.linspace(LEFT, WIDTH - RIGHT, len(y))
    points = " ".join(f"{a:.0f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return (
        f'<polyline points="{points}" fill="none" stroke="{color}" '
        f'stroke-width="{width}" stroke-linejoin="round"/>'
    )


def legend():
    """Which line is which."""
    return "".join(
        f'<path d="M{x} 15h22" stroke="{color}" stroke-width="{width}"/>'
        + text(x + 28, 19, name)
        for x, color, width, name in (
            (LEFT, TRUTH, 5, "what came in"),
            (LEFT + 140, RECONSTRUCTED, 1.8, "what the memory holds"),
        )
    )


def text(x, y, content, anchor="start", more=""):
    """A piece of text."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>'
        f"{escape(content)}</text>"
    )
