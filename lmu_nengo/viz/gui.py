"""A live view of a memory's window for Nengo GUI.

Nengo GUI displays the attribute ``_nengo_html_`` of a node's output function and updates
it during the simulation. Here it is an SVG picture. A network with such a node also runs
without Nengo GUI.
"""

import math
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

import nengo
import numpy as np
from nengo.exceptions import ValidationError
from numpy.typing import ArrayLike

from lmu_nengo._nengo import plain_config
from lmu_nengo._validation import (
    check_integer,
    check_memory,
    check_positive,
    check_sequence,
    check_text,
)
from lmu_nengo.memory.network import LegendreMemory
from lmu_nengo.memory.ranges import TOLERANCE
from lmu_nengo.memory.readout import check_channels
from lmu_nengo.signal.legendre import delay_decoders

MAX_PANELS = 4  # channels shown by default
N_POINTS = 81  # per curve
INTERVAL = 0.02  # simulated seconds between pictures
WIDTH, HEIGHT = 400, 240  # size of the picture, in SVG units
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 30, 40  # margins
GAP = 12  # between panels
TRUTH, RECONSTRUCTED = "#b0b0b0", "#d62728"


def window_view(
    memory: LegendreMemory,
    channels: Iterable[int] | None = None,
    limits: tuple[float, float] | None = None,
    unit: str | None = None,
    label: str | None = None,
) -> nengo.Node:
    """
    Add a node that displays the window of a memory in Nengo GUI.

    Right-click on the node in Nengo GUI and choose "HTML". The picture shows the last
    ``theta`` seconds of the input, and their reconstruction from the memory's
    coefficients. A line of red text says if a population of a spiking memory has left the
    range for which its decoders were solved: how far, and for how long in all.

    Parameters
    ----------
    memory : LegendreMemory
        The memory, in any realization that runs step by step. For an `LMUCell`, pass
        ``cell.memory``.
    channels : iterable of int, optional
        Channels to show, one panel for each; by default the first four.
    limits : tuple of (float, float), optional
        Limits of the vertical axes; by default they adapt to the input.
    unit : str, optional
        Unit of the input, for the axis labels.
    label : str, optional
        Label of the node; by default the memory's label followed by "window".

    Returns
    -------
    view : nengo.Node
        A node without output. Its function, ``view.output``, is a `WindowView`.

    Raises
    ------
    ValidationError
        If ``memory`` is not a `LegendreMemory`, or does not have these channels, or if
        the limits are not two increasing numbers.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo import LegendreMemory
    >>> from lmu_nengo.viz import window_view
    >>> with nengo.Network() as model:
    ...     memory = LegendreMemory(theta=1.0, order=6, memory_d=2, label="memory")
    ...     view = window_view(memory, channels=[1], unit="mV")
    >>> view.label
    'memory: window'
    >>> view.output._nengo_html_[:4]
    '<svg'
    """
    shown = check_channels(memory, channels)
    if channels is None:
        shown = shown[:MAX_PANELS]
    ranges = memory.population_transform
    if ranges is not None:
        ranges = ranges[shown]
    function = WindowView(
        memory.theta, memory.order, memory.dt, shown, limits, unit, ranges
    )
    if label is None:
        label = f"{memory.label}: window" if memory.label else "window"
    n = len(shown)
    taken = np.arange(memory.output.size_out).reshape(-1, memory.order)[shown].ravel()
    with plain_config():
        view = nengo.Node(function, size_in=n * (1 + memory.order), size_out=0, label=label)
        nengo.Connection(memory.input[shown], view[:n], synapse=None)
        nengo.Connection(memory.output[taken.tolist()], view[n:], synapse=None)
    return view


class WindowView:
    """
    Output function of the node that `window_view` adds.

    Parameters
    ----------
    theta : float
        Length of the window in seconds.
    order : int
        Legendre polynomials per channel.
    dt : float
        Time step in seconds.
    channels : sequence of int
        Channels that the node receives, for the axis labels.
    limits : tuple of (float, float), optional
        Limits of the vertical axes; by default they adapt to the input.
    unit : str, optional
        Unit of the input, for the axis labels.
    ranges : ndarray of shape (n_channels, state_d, order), optional
        The memory's ``population_transform``, for these channels.

    Attributes
    ----------
    delays : ndarray of shape (n_points,)
        Delays in seconds at which the curves are drawn, from theta to 0.
    truth : ndarray of shape (n_points, n_channels)
        The input at these delays.
    reconstruction : ndarray of shape (n_points, n_channels)
        The same, reconstructed from the memory.
    _nengo_html_ : str
        Both as an SVG picture, updated every 20 ms of simulated time.

    Raises
    ------
    ValidationError
        If a number is out of range.

    See Also
    --------
    window_view : Add such a node to a network.

    Examples
    --------
    Called by the simulator in each step, with the inputs followed by the coefficients:

    >>> from lmu_nengo.viz import WindowView
    >>> view = WindowView(theta=1.0, order=2, dt=0.001, channels=[0])
    >>> view(0.001, [0.3, 1.0, 0.0])  # the constant polynomial alone
    >>> view.reconstruction[0], view.reconstruction[-1]
    (array([1.]), array([1.]))
    """

    def __init__(
        self,
        theta: float,
        order: int,
        dt: float,
        channels: Sequence[int],
        limits: tuple[float, float] | None = None,
        unit: str | None = None,
        ranges: np.ndarray | None = None,
    ):
        self.theta = check_positive(theta, "theta", obj=type(self))
        self.dt = check_positive(dt, "dt", obj=type(self))
        self.channels = channels = [
            check_integer(c, "channels", low=0, obj=type(self))
            for c in check_sequence(
                channels, "channels", object, "channels", obj=type(self)
            )
        ]
        check_text(unit, "unit", obj=type(self))
        self.limits = None if limits is None else check_limits(limits)
        self.unit = unit
        self.ranges = ranges
        points = np.linspace(1, 0, N_POINTS)
        self.delays = points * theta
        self.decoders = delay_decoders(order, points)
        # a value is held for one step; it counts for the middle of this step
        self.ages = np.clip(self.delays / dt - 0.5, 0, None)
        shape = math.ceil(theta / dt) + 2, len(channels)
        advice = "Use a shorter window."
        check_memory(shape, "an array", "theta", advice, obj=type(self))
        self.past = np.zeros(shape)
        self.every = max(1, round(INTERVAL / dt))
        self.reset()

    def reset(self) -> None:
        """Start with an empty window, as when a simulation begins."""
        self.past[:] = 0
        self.n_steps, self.last = 0, -math.inf
        self.largest, self.smallest = 0.0, 0.0
        self.farthest, self.n_outside = 0.0, 0
        self.reconstruction = np.zeros((N_POINTS, len(self.channels)))
        self.truth = self.reconstruction
        self._nengo_html_ = self.draw()

    def __call__(self, t: float, x: ArrayLike) -> None:
        """Receive the inputs and the coefficients of one step."""
        x = np.asarray(x, dtype=float)
        if t <= self.last:  # another simulation
            self.reset()
        self.last = t
        n = len(self.channels)
        newest = self.n_steps % len(self.past)
        self.past[newest] = x[:n]
        self.largest = max(self.largest, x[:n].max())
        self.smallest = min(self.smallest, x[:n].min())
        if self.ranges is not None:
            m = np.reshape(x[n:], (n, -1))
            reached = np.abs(np.einsum("cj,cij->ci", m, self.ranges)).max()
            self.farthest = max(self.farthest, reached)
            self.n_outside += reached > TOLERANCE
        if self.n_steps % self.every == 0:
            older = self.ages.astype(int)
            part = (self.ages - older)[:, None]
            older = newest - older  # negative indices count from the end
            self.truth = (1 - part) * self.past[older] + part * self.past[older - 1]
            self.reconstruction = self.decoders @ np.reshape(x[n:], (n, -1)).T
            self._nengo_html_ = self.draw()
        self.n_steps += 1

    def draw(self) -> str:
        """Return the picture of all panels as SVG."""
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
        if self.n_outside:
            seconds = self.n_outside * self.dt
            warning = f"out of range: {self.farthest:.2g} times, for {seconds:.2g} s"
            red = f' fill="{RECONSTRUCTED}"'
            parts.append(text(right - 4, TOP + 14, warning, "end", red))
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="100%" height="100%" '
            f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">'
            f"{''.join(parts)}</svg>"
        )


def check_limits(limits):
    """Return limits as two increasing floats, or raise ValidationError."""
    try:
        low, high = (float(limit) for limit in limits)
    except (TypeError, ValueError):
        low, high = math.nan, math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValidationError(
            f"must be two increasing numbers such as (-1, 1), got {limits!r}.",
            attr="limits",
        )
    return low, high


def nice_limits(smallest, largest):
    """Return round limits that include ``smallest``, ``largest`` and zero."""
    size = max(-smallest, largest, 1e-9)
    unit = 10.0 ** math.floor(math.log10(size))
    high = next(m * unit for m in (1, 2, 5, 10, 20) if m * unit >= size)
    return (-high if smallest < 0 else 0.0), high


def axes(top, height, low, high, name):
    """Return the frame of a panel with its ticks, zero line and label."""
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
    """Return a line through values at all points of the window."""
    x = np.linspace(LEFT, WIDTH - RIGHT, len(y))
    points = " ".join(f"{a:.0f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return (
        f'<polyline points="{points}" fill="none" stroke="{color}" '
        f'stroke-width="{width}" stroke-linejoin="round"/>'
    )


def legend():
    """Return the legend of the two lines."""
    return "".join(
        f'<path d="M{x} 15h22" stroke="{color}" stroke-width="{width}"/>'
        + text(x + 28, 19, name)
        for x, color, width, name in (
            (LEFT, TRUTH, 5, "input"),
            (LEFT + 140, RECONSTRUCTED, 1.8, "reconstruction"),
        )
    )


def text(x, y, content, anchor="start", more=""):
    """Return a text element."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>'
        f"{escape(content)}</text>"
    )
