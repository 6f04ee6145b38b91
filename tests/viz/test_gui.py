"""The live view of a memory's window; the networks' tests open it in a browser."""

import re
import xml.etree.ElementTree as ET

import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo import Band, LegendreMemory, Linear, LMUCell, Spiking
from lmu_nengo.memory import excess
from lmu_nengo.signal import delay_error
from lmu_nengo.viz.gui import nice_limits, window_view

SVG = "{http://www.w3.org/2000/svg}"
SINES = ((0.5, 0.7), (0.3, 1.6), (0.2, 2.5))  # amplitude, frequency in Hz


def sines(t):
    return sum(a * np.sin(2 * np.pi * f * t) for a, f in SINES)


def view_of(memory_d=1, seconds=4.0, realization=None, function=None, **options):
    """A view after it ran, and its pictures' root element."""
    with nengo.Network(seed=0) as network:
        signal = nengo.Node(function or (lambda t: [sines(t)] * memory_d))
        memory = LegendreMemory(1.0, 12, memory_d=memory_d, realization=realization)
        nengo.Connection(signal, memory.input, synapse=None)
        view = window_view(memory, **options)
    with nengo.Simulator(network, progress_bar=False) as sim:
        sim.run_steps(round(1000 * seconds) + 1)  # a picture is made every 20 steps
    return view.output, ET.fromstring(view.output._nengo_html_)


def test_the_window_is_what_came_in_within_the_theoretical_error():
    view, _ = view_of()
    # no node before t = dt; a value is held for a step, half of it after its own time
    now = 4.001
    truth = sines(now - view.delays + 0.0005)
    shown = slice(None, -1)  # the newest point is half a step ahead of any value
    assert np.allclose(view.truth[shown, 0], truth[shown], atol=2e-4)
    bound = np.array(
        [
            sum(a * delay_error(12, f, delay) for a, f in SINES)
            for delay in np.clip(view.delays, 0, 1)
        ]
    )
    error = np.abs(view.reconstruction - view.truth)[:, 0]
    assert np.all(error[shown] <= bound[shown] + 2e-4)
    assert 0.001 < error.max() < 0.1  # the bound is not trivial


def test_the_picture_shows_both_curves_in_their_axes():
    view, svg = view_of(limits=(-2, 2), unit="mV & <more>")
    lines = svg.findall(f"{SVG}polyline")
    points = [
        np.array([p.split(",") for p in line.get("points").split()], dtype=float)
        for line in lines
    ]
    frame = svg.find(f"{SVG}rect")
    left, top, width, height = (float(frame.get(k)) for k in ("x", "y", "width", "height"))
    for drawn, values in zip(points, (view.truth, view.reconstruction), strict=True):
        assert np.allclose(drawn[:, 1], top + height * (2 - values[:, 0]) / 4, atol=0.06)
        assert (drawn[0, 0], drawn[-1, 0]) == (left, left + width)
    texts = [element.text for element in svg.iter(f"{SVG}text")]
    assert {"input", "reconstruction", "time from now (s)"} <= set(texts)
    assert {"input (mV & <more>)", "-1", "-0.5", "0", "-2", "2"} <= set(texts)


def test_each_channel_has_a_panel_and_channels_can_be_chosen():
    ramps = np.arange(1.0, 7.0) / 8
    view, svg = view_of(6, function=lambda t: ramps)
    assert len(svg.findall(f"{SVG}polyline")) == 8  # the first four channels
    assert np.allclose(view.reconstruction, ramps[:4], atol=1e-6)
    view, svg = view_of(6, function=lambda t: ramps, channels=[5, 2])
    assert np.allclose(view.truth, ramps[[5, 2]])
    assert np.allclose(view.reconstruction, ramps[[5, 2]], atol=1e-6)
    texts = [element.text for element in svg.iter(f"{SVG}text")]
    assert {"input 5", "input 2"} <= set(texts)


def test_it_shows_a_spiking_memory():
    view, _ = view_of(realization=Spiking(1000, expected_input=Band(2.5, 0.44)))
    error = view.reconstruction - view.truth
    assert np.sqrt(np.mean(error**2)) < 0.1 * np.sqrt(np.mean(view.truth**2))


def test_a_new_simulation_begins_with_an_empty_window():
    with nengo.Network() as network:
        signal = nengo.Node([1.0])
        memory = LegendreMemory(0.1, 4)
        nengo.Connection(signal, memory.input, synapse=None)
        view = window_view(memory).output
    pictures = []
    for _ in range(2):
        with nengo.Simulator(network, progress_bar=False) as sim:
            sim.run_steps(41)
        pictures.append(view._nengo_html_)
        assert np.allclose(view.truth[0], 0) and np.allclose(view.truth[-1], 1)
        with nengo.Simulator(network, progress_bar=False) as sim:
            sim.run_steps(201)
        assert np.allclose(view.truth, 1)
    assert pictures[0] == pictures[1]


def test_the_axes_follow_what_came_in():
    assert nice_limits(0.0, 0.0) == (0, 1e-9)
    assert nice_limits(0.0, 0.31) == (0, 0.5)
    assert nice_limits(-7.0, 0.31) == (-10, 10)
    assert nice_limits(-0.1, 2.0) == (-2, 2)


def test_what_does_not_fit_is_refused():
    with nengo.Network():
        memory = LegendreMemory(1.0, 4, memory_d=2)
        cell = LMUCell(1, memory_d=1, theta=1.0, order=4, hidden_d=3)
        with pytest.raises(ValidationError, match=r"of an LMUCell, its \.memory"):
            window_view(cell)
        window_view(cell.memory)
        for channels in ([2], [-1], ["a"], []):
            with pytest.raises(
                ValidationError, match="channels: must be a list of some of 0 to 1"
            ):
                window_view(memory, channels=channels)
        for limits in ((1, -1), (0, np.inf), 3, ("a", "b"), (1, 2, 3)):
            with pytest.raises(ValidationError, match="two increasing numbers"):
                window_view(memory, limits=limits)


def test_the_view_says_in_red_how_far_a_memory_left_its_range():
    theta, order, dt = 0.2, 4, 0.001
    with nengo.Network(seed=0) as network:
        u = nengo.Node(lambda t: 3 * np.sin(15 * t) * (t > 0.2))
        memory = LegendreMemory(theta, order, realization=Spiking(4, nengo.Direct()))
        nengo.Connection(u, memory.input, synapse=None)
        view = window_view(memory)
        probe = nengo.Probe(memory.output)
    with nengo.Simulator(network, progress_bar=False) as sim:
        sim.run(0.2)
        assert "out of range" not in view.output._nengo_html_
        sim.run(0.5)
    values = excess(memory, sim.data[probe]).max(axis=(1, 2))
    seconds = dt * np.count_nonzero(values > 1.1)
    shown = re.search(
        r"out of range: ([\d.]+) times, for ([\d.]+) s", view.output._nengo_html_
    )
    assert float(shown[1]) == pytest.approx(values.max(), rel=0.05)
    assert float(shown[2]) == pytest.approx(seconds, abs=0.03)
    with nengo.Network():
        exact = LegendreMemory(theta, order, realization=Linear())
        assert window_view(exact).output.ranges is None
