import subprocess
import sys
from pathlib import Path

import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo import (
    LegendreMemory,
    Linear,
    LMUCell,
    Windowed,
    load_network,
    realize,
    save_network,
    to_spiking,
)
from lmu_nengo.io.archive import write_archive
from lmu_nengo.io.saved_networks import parameters_of, parts
from tests.io.saving_example import STEPS, build, run


@pytest.fixture(scope="module")
def trained():
    """A classifier with everything in it, trained; and what it gave in NengoDL."""
    pytest.importorskip("tensorflow")
    from lmu_nengo.training import Simulator

    network = build()
    realize(network, Windowed(STEPS))
    rng = np.random.RandomState(2)
    x, y = rng.randn(8, STEPS, 2), rng.randn(8, STEPS, 3)
    x[0] = np.random.RandomState(3).randn(STEPS, 2)
    probe = network.probes[0]
    with Simulator(network, minibatch_size=4, seed=0, progress_bar=False) as sim:
        sim.compile("adam", loss={probe: "mse"})
        sim.fit(x, {probe: y}, epochs=3, verbose=0)
        expected = sim.predict(x, verbose=0)[probe][0]
        sim.freeze_params(network)
    realize(network, Linear())
    return network, expected


def test_another_process_gives_the_same_in_core_nengo(trained, tmp_path):
    network, expected = trained
    path, out = tmp_path / "a.npz", tmp_path / "out.npy"
    save_network(network, path, {"n_neurons": 15})
    script = (
        "import sys, numpy, saving_example, lmu_nengo\n"
        "network = lmu_nengo.load_network(sys.argv[1], saving_example.build)\n"
        "numpy.save(sys.argv[2], saving_example.run(network))\n"
        "assert 'tensorflow' not in sys.modules"
    )
    tests = Path(__file__).parent
    command = [sys.executable, "-c", script, str(path), str(out)]
    subprocess.run(command, check=True, cwd=tests)
    output = run(network)
    # Nengo adds what arrives at a node in no fixed order
    assert np.allclose(np.load(out), output, rtol=0, atol=1e-13)
    assert np.abs(output - expected).max() < 1e-4 * np.abs(expected).max()
    assert np.abs(output - run(build())).max() > 1e-3


def test_the_realization_is_not_part_of_the_file(trained, tmp_path):
    network, _ = trained
    save_network(network, tmp_path / "a.npz", {})

    def build_windowed():
        other = build()
        realize(other, Windowed(STEPS))
        return other

    loaded = load_network(tmp_path / "a.npz", build_windowed)
    assert isinstance(loaded.networks[0].realization, Windowed)
    realize(loaded, Linear())
    for (_, one), (_, other) in zip(parts(loaded), parts(network), strict=True):
        values, expected = parameters_of(one), parameters_of(other)
        assert values.keys() == expected.keys()
        for name, value in values.items():
            assert np.array_equal(value, expected[name])
    assert np.allclose(run(loaded), run(network), rtol=0, atol=1e-13)


def test_an_object_with_a_network_can_be_built(tmp_path):
    class Model:
        def __init__(self, size):
            self.network = build(n_neurons=size)

    save_network(Model(3).network, tmp_path / "a.npz", {"size": 3})
    assert isinstance(load_network(tmp_path / "a.npz", Model), Model)
    with pytest.raises(ValidationError, match=r"build: must return .* got 3"):
        load_network(tmp_path / "a.npz", lambda size: size)


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(order=5), "order 4, memory_d 2.*; built: .* order 5, memory_d 2"),
        (dict(n_neurons=9), "15 neurons, 1 .*; built: .*9 neurons, 1"),
        (dict(kind=nengo.LIF), r"RectifiedLinear\(\); built: .*LIF\("),
    ],
)
def test_another_architecture_is_refused_with_both(tmp_path, change, message):
    save_network(build(), tmp_path / "a.npz")
    with pytest.raises(ValidationError, match=message):
        load_network(tmp_path / "a.npz", lambda: build(**change))


def test_one_part_more_or_less_is_refused(tmp_path):
    def smaller():
        with nengo.Network() as network:
            nengo.Node(size_in=2)
        return network

    def larger():
        network = smaller()
        with network:
            LegendreMemory(0.1, 3)
        return network

    def empty():
        return nengo.Network()

    for one, other in ((smaller, empty), (empty, smaller)):
        save_network(one(), tmp_path / "a.npz")
        with pytest.raises(ValidationError, match="nothing"):
            load_network(tmp_path / "a.npz", other)
    save_network(smaller(), tmp_path / "a.npz")
    with pytest.raises(ValidationError, match="Node from 2 to 2.*; built: .*order 3"):
        load_network(tmp_path / "a.npz", larger)
    save_network(larger(), tmp_path / "a.npz")
    with pytest.raises(ValidationError, match="order 3.*; built: .*Node from 2 to 2"):
        load_network(tmp_path / "a.npz", smaller)


def test_other_weights_of_a_cell_are_refused(tmp_path):
    def cell(**options):
        with nengo.Network() as network:
            LMUCell(2, memory_d=1, theta=0.02, order=3, hidden_d=4, **options)
        return network

    save_network(cell(hidden_kernel=np.eye(4)), tmp_path / "a.npz")
    with pytest.raises(ValidationError, match="'hidden_kernel'.*; built: "):
        load_network(tmp_path / "a.npz", cell)


def test_a_spiking_network_is_built_spiking(trained, tmp_path):
    network, _ = trained
    copy = network.copy()

    def spiking(network):
        for ens in network.all_ensembles:
            ens.neuron_type = nengo.RectifiedLinear()
        to_spiking(network, 100)
        return network

    spiking(copy)
    save_network(copy, tmp_path / "a.npz")
    with pytest.raises(ValidationError, match="SpikingRectifiedLinear.*; built:"):
        load_network(tmp_path / "a.npz", build)


def test_damaged_and_other_files_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    save_network(build(), path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValidationError, match=r"a\.npz is damaged"):
        load_network(path, build)
    write_archive(path, "lmu_nengo checkpoint", {}, {})
    with pytest.raises(ValidationError, match="must contain 'lmu_nengo network' version 1"):
        load_network(path, build)


@pytest.mark.parametrize("settings", [[1], {"a": np.ones(2)}, {"a": print}, {1: 2}])
def test_settings_that_cannot_come_back_are_refused(tmp_path, settings):
    with pytest.raises(ValidationError, match="settings: must be a dictionary of"):
        save_network(build(), tmp_path / "a.npz", settings)
    assert not list(tmp_path.iterdir())


def test_other_transforms_are_refused(tmp_path):
    with nengo.Network() as network:
        a, b = nengo.Node([1, 2]), nengo.Node(size_in=2)
        sparse = nengo.Sparse((2, 2), indices=[(0, 0), (1, 1)])
        nengo.Connection(a, b, transform=sparse, synapse=None)
    with pytest.raises(ValidationError, match="must be a matrix or a number .* got Sparse"):
        save_network(network, tmp_path / "a.npz")
