"""Warnings point at the user's line, however deep in the library they are found."""

import importlib.util
from pathlib import Path

import nengo
import numpy as np
import pytest

import lmu_nengo
from lmu_nengo import Band, LegendreMemory, Spiking, targets

LIBRARY = Path(lmu_nengo.__file__).parent


def too_fast():
    with nengo.Network():
        memory = LegendreMemory(0.2, 4)
    lmu_nengo.realize(memory, Spiking(20, expected_input=Band(100, 0.3)))


def out_of_range():
    with nengo.Network(seed=0) as network:
        u = nengo.Node(lambda t: 3 * np.sin(15 * t))
        memory = LegendreMemory(0.2, 4, realization=Spiking(40))
        nengo.Connection(u, memory.input, synapse=None)
    return network


def out_of_range_in_a_block():
    with targets.load("core").Simulator(out_of_range()) as simulator:
        simulator.run(0.5)


def out_of_range_in_a_call():
    targets.run(out_of_range(), "core", 0.5)


def in_python():
    if importlib.util.find_spec("jax") is None:
        pytest.skip("needs JAX")
    with nengo.Network() as network:
        nengo.Probe(nengo.Node(lambda t, x: float(str(x[0]) == "0.0"), size_in=1))
    targets.run(network, "jax", 0.01)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (too_fast, "input reaches"),
        (out_of_range_in_a_block, "out of range"),
        (out_of_range_in_a_call, "out of range"),
        (in_python, "runs in Python"),
    ],
)
def test_a_warning_points_at_the_line_that_led_to_it(call, message):
    with pytest.warns(UserWarning, match=message) as found:
        call()
    assert {warning.filename for warning in found} == {__file__}


def test_a_line_outside_of_any_function_will_do(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import nengo, lmu_nengo\n"
        "with nengo.Network():\n"
        "    spiking = lmu_nengo.Spiking(20, expected_input=lmu_nengo.Band(100, 0.3))\n"
        "    lmu_nengo.LegendreMemory(0.2, 4, realization=spiking)\n"
    )
    spec = importlib.util.spec_from_file_location("script", script)
    with pytest.warns(UserWarning, match="input reaches") as found:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert (found[-1].filename, found[-1].lineno) == (str(script), 4)


def test_there_is_one_way_to_warn():
    calls = [p for p in LIBRARY.rglob("*.py") if "warnings.warn(" in p.read_text("utf-8")]
    assert calls == [LIBRARY / "_warnings.py"]
