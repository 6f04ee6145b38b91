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


def test_a_backend_is_imported_when_it_is_used_and_without_tensorflow():
    code = (
        "import sys\n"
        "from lmu_nengo import targets\n"
        "backends = {'tensorflow', 'nengo_dl', 'nengo_ocl', 'pyopencl', 'nengo_loihi',"
        "'jax', 'nir', 'norse', 'spikingjelly', 'torch'}\n"
        "assert not backends & set(sys.modules), backends & set(sys.modules)\n"
        "for target in ('jax', 'loihi', 'norse'):\n"
        "    if targets.installed(target):\n"
        "        targets.load(target).Simulator.import_backend()\n"
        "assert not {'tensorflow', 'nengo_dl'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("target", ["jax", "ocl", "loihi", "norse", "spikingjelly"])
def test_missing_backend_is_named_with_its_install_line(target, monkeypatch):
    for module in ("jax", "nengo_ocl", "nengo_loihi", "nir", "norse", "spikingjelly"):
        monkeypatch.setitem(sys.modules, module, None)
    network, _, _ = make_delay(0, lmu_nengo.Spiking(100))
    with pytest.raises(ValidationError, match=rf'pip install -e "\.\[{target}\]"'):
        targets.run(network, target, 0.01)


def skip_unless_installed(target):
    if not targets.installed(target):
        pytest.skip(f"needs the target {target}")


@pytest.mark.slow
@pytest.mark.parametrize("target", ["jax", "ocl", "dl"])
def test_spiking_memory_errs_as_in_core_nengo_on_average(target):
    skip_unless_installed(target)
    means = {}
    for name in ("core", target):
        errors = []
        for seed in range(5):
            network, u, delayed = make_delay(seed, lmu_nengo.Spiking(800))
            sim = targets.run(network, name, 5.0)
            errors.append(delay_error(sim.data[u], sim.data[delayed]))
        means[name] = np.mean(errors)
    assert means["core"] < 0.0048
    assert means[target] == pytest.approx(means["core"], rel=0.02)


@pytest.fixture(scope="module")
def on_core():
    """A spiking memory, its probes, and a run of it in core Nengo."""
    network, u, delayed = make_delay(0, lmu_nengo.Spiking(800))
    return network, u, delayed, targets.run(network, "core", 1.5, count_spikes=True)


@pytest.mark.parametrize("target", ["jax", "ocl", "dl"])
def test_spiking_memory_is_that_of_core_nengo(target, on_core):
    skip_unless_installed(target)
    network, u, delayed, reference = on_core
    sim = targets.run(network, target, 1.5, count_spikes=True)
    np.testing.assert_allclose(sim.data[u], reference.data[u], atol=1e-6)
    # the very same neurons, in single precision, for as long as chaos allows
    np.testing.assert_allclose(sim.data[delayed], reference.data[delayed], atol=0.1)
    error = delay_error(sim.data[u], sim.data[delayed])
    expected = delay_error(reference.data[u], reference.data[delayed])
    assert expected < 0.03
    assert error == pytest.approx(expected, rel=0.1)
    assert sim.spikes == pytest.approx(reference.spikes, rel=0.001)
    # one dimension per neuron: a spike meets one decoder
    assert reference.synaptic_operations == reference.spikes > 50_000


def test_spikes_that_were_not_counted_are_refused():
    network, _, _ = make_delay(0, lmu_nengo.Linear())
    with pytest.raises(ValidationError, match="count_spikes=True"):
        _ = targets.run(network, "core", 0.01).spikes


@pytest.mark.parametrize("target", ["core", "jax", "ocl", "loihi", "norse"])
def test_a_windowed_cell_that_feeds_back_is_checked_as_it_will_run(target):
    with nengo.Network() as network:
        cell = lmu_nengo.LMUCell(
            1,
            memory_d=1,
            theta=0.5,
            order=4,
            hidden_d=6,
            hidden_encoders=np.ones((1, 6)),  # Tanh neurons that feed back
            dt=0.01,
            realization=lmu_nengo.Windowed(50),
        )
        nengo.Connection(nengo.Node([0]), cell.input, synapse=None)
    limits = {limit.name: limit for limit in targets.check(network, target)}
    assert limits["step"].value == "0.001 s"
    assert target in ("core", "jax") or limits["neuron type"].value == "Tanh"
    assert "objects for the chip" not in limits
    assert "step" not in {limit.name for limit in targets.check(network, target, dt=0.01)}
    assert cell.realization == lmu_nengo.Windowed(50)


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
    skip_unless_installed("ocl")
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
    skip_unless_installed("ocl")
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
