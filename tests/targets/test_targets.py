"""What all targets share, and the ones that run Nengo's own operators."""

import os
import subprocess
import sys

import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

import lmu_nengo
from lmu_nengo import targets

DT = 0.001


def make_delay(seed, realization, theta=0.2, order=4):
    """A memory that delays noise of 2 Hz by theta; network, input's and output's probe."""
    with nengo.Network(seed=seed) as network:
        noise = nengo.processes.WhiteSignal(5.0, high=2, rms=0.4, seed=seed)
        u = nengo.Node(noise, label="u")
        memory = lmu_nengo.LegendreMemory(theta, order, realization=realization)
        nengo.Connection(u, memory.input, synapse=None)
        delayed = nengo.Node(size_in=1, label="delayed")
        decoders = lmu_nengo.delay_decoders(order, 1.0)
        nengo.Connection(memory.output, delayed, transform=decoders, synapse=None)
        probes = nengo.Probe(u), nengo.Probe(delayed)
    return network, *probes


def delay_error(u, delayed, theta=0.2):
    """NRMSE of the delayed input, both through 20 ms, the first second left out."""
    steps = round(theta / DT)
    target = np.concatenate([np.zeros((steps, 1)), u[:-steps]])
    lowpass = nengo.Lowpass(0.02)
    delayed, target = (lowpass.filt(x, dt=DT, y0=0)[1000:] for x in (delayed, target))
    return np.sqrt(np.mean((delayed - target) ** 2) / np.mean(target**2))


def test_importing_targets_imports_no_backend():
    code = (
        "import sys, lmu_nengo.targets\n"
        "backends = {'tensorflow', 'nengo_dl', 'nengo_ocl', 'pyopencl', 'nengo_loihi',"
        "'nir', 'norse', 'spikingjelly', 'torch'}\n"
        "assert not backends & set(sys.modules), backends & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("target", ["ocl", "loihi", "norse", "spikingjelly"])
def test_missing_backend_is_named_with_its_install_line(target, monkeypatch):
    for module in ("nengo_ocl", "nengo_loihi", "nir", "norse", "spikingjelly"):
        monkeypatch.setitem(sys.modules, module, None)
    network, _, _ = make_delay(0, lmu_nengo.Spiking(100))
    with pytest.raises(ValidationError, match=rf'pip install -e "\.\[{target}\]"'):
        targets.run(network, target, 0.01)


@pytest.mark.parametrize("target", ["ocl", "dl"])
def test_spiking_memory_errs_as_in_core_nengo(target):
    pytest.importorskip({"ocl": "nengo_ocl", "dl": "tensorflow"}[target])
    means = {}
    for name in ("core", target):
        errors = []
        for seed in range(5):
            network, u, delayed = make_delay(seed, lmu_nengo.Spiking(800))
            sim = targets.run(network, name, 5.0)
            errors.append(delay_error(sim.data[u], sim.data[delayed]))
        means[name] = np.mean(errors)
    assert means["core"] < 0.03
    assert means[target] == pytest.approx(means["core"], rel=0.02)


def test_windowed_memory_runs_step_by_step_and_the_network_is_left_alone():
    network, _, delayed = make_delay(0, lmu_nengo.Windowed(100))
    (memory,) = network.networks
    objects = network.all_objects
    prepared = targets.prepare(network, "core")
    assert "Windowed" in prepared.changes[0]
    assert prepared.objects[memory].realization == lmu_nengo.Linear()
    sim = targets.run(network, "core", 0.1)
    assert memory.realization == lmu_nengo.Windowed(100)
    assert network.all_objects == objects
    lmu_nengo.realize(network, lmu_nengo.Linear())
    with nengo.Simulator(network, progress_bar=False) as reference:
        reference.run(0.1)
    np.testing.assert_array_equal(sim.data[delayed], reference.data[delayed])
    np.testing.assert_array_equal(sim.trange(), reference.trange())


def test_limits_are_listed_with_value_and_limit():
    pytest.importorskip("nengo_ocl")
    network, _, _ = make_delay(0, lmu_nengo.Linear())
    with network:
        nengo.Ensemble(10, 1, neuron_type=nengo.Tanh(), label="hidden")
    limits = targets.check(network, "ocl", dt=0.002)
    assert [limit.name for limit in limits] == ["step", "neuron type"]
    assert (limits[0].value, limits[0].limit) == ("0.002 s", "0.001 s")
    assert limits[1].value == "Tanh"
    assert "LIF" in limits[1].limit
    assert "hidden" in str(limits[1])
    with pytest.raises(ValidationError, match="Tanh"):
        targets.run(network, "ocl", 0.1)
    assert targets.check(network, "core") == []


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"target": "brain"}, "'core'"),
        ({"duration": -1}, "must be positive"),
        ({"network": "net"}, "nengo.Network"),
    ],
)
def test_bad_arguments_are_refused(arguments, match):
    network, _, _ = make_delay(0, lmu_nengo.Linear())
    good = {"network": network, "target": "core", "duration": 0.1}
    with pytest.raises(ValidationError, match=match):
        targets.run(**{**good, **arguments})


def test_no_opencl_device_is_a_clear_error():
    pytest.importorskip("nengo_ocl")
    code = "from lmu_nengo.targets import ocl; ocl.choose_context()"
    environment = {k: v for k, v in os.environ.items() if k != "PYOPENCL_CTX"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        # where OpenCL looks for devices
        env={**environment, "OCL_ICD_VENDORS": "nowhere", "OCL_ICD_FILENAMES": ""},
        capture_output=True,
        text=True,
    )
    assert "ValidationError" in done.stderr and "pyopencl[pocl]" in done.stderr
