"""Networks other than the one that was saved are refused."""

import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo import (
    EncoderDecoder,
    LegendreMemory,
    Linear,
    LMUCell,
    Spiking,
    Windowed,
    load_network,
    save_network,
)


def build(
    n_source=3,
    function=np.square,
    constant=(1.0, 2.0),
    realization=None,
    memory=(1, 3),
    hidden=None,
    solver=None,
    seed=0,
    to_points=None,
    learning_rule=None,
    **ensemble,
):
    """A network with something of each kind."""
    kind = {"neuron_type": nengo.LIFRate(), **ensemble}
    with nengo.Network(seed=seed) as network:
        constant = nengo.Node(np.array(constant), label="constant")
        ens = nengo.Ensemble(30, 2, **kind)
        out = nengo.Node(size_in=2)
        nengo.Connection(constant, ens)
        nengo.Connection(
            ens,
            out,
            function=function,
            solver=solver or nengo.solvers.LstsqL2(),
            eval_points=to_points,
            learning_rule_type=learning_rule,
        )
        channels, order = memory
        LegendreMemory(0.05, order, channels, realization=realization)
        sizes = dict(memory_d=1, theta=0.05, order=3, hidden_d=4, hidden_type=hidden)
        EncoderDecoder(
            LMUCell(1, seed=1, **sizes), LMUCell(1, seed=2, start=True, **sizes), n_source
        )
    return network


UNIFORM = nengo.dists.Uniform(-0.5, 0.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(n_source=4), r"output.args.stop 3; built: 4"),
        (dict(function=lambda x: x**3), r"function an array of shape \(16, 2\); built"),
        (dict(constant=(1.0, 2.5)), r"output \[1.0, 2.0\]; built: \[1.0, 2.5\]"),
        (dict(radius=2.0), r"ensembles\[0\].radius 1.0; built: 2.0"),
        (dict(intercepts=UNIFORM), r"intercepts.args.low -1.0; built: -0.5"),
        (dict(seed=1), "seeds of networks.0 0; built: 1"),
        (dict(noise=nengo.processes.WhiteNoise(seed=0)), "noise None; built"),
        (dict(solver=nengo.solvers.LstsqL2(reg=0.5)), "solver.args.reg 0.1; built: 0.5"),
        (dict(solver=nengo.solvers.Nnls()), "solver.type LstsqL2; built: Nnls"),
        (dict(eval_points=UNIFORM), r"ensembles\[0\].eval_points"),
        (dict(n_eval_points=50), "n_eval_points None; built: 50"),
        (dict(to_points=np.eye(2)), r"eval_points None; built: \{'array'"),
        (dict(neuron_type=nengo.LIFRate(tau_rc=0.1)), "LIFRate.*; built.*LIFRate"),
        (dict(encoders=nengo.dists.Choice([[1, 0]])), "encoders.type"),
        (dict(realization=Linear("euler")), "discretizer zoh; built: euler"),
        (dict(realization=Spiking(60)), "realization.type Linear; built: Spiking"),
        (dict(memory=(3, 1)), "order 3, memory_d 1, .*; built: .*order 1, memory_d 3"),
        (dict(hidden=nengo.Sigmoid(tau_ref=1)), r"Tanh.*; built: .*Sigmoid"),
        (dict(learning_rule=nengo.PES()), "learning_rule None; built"),
    ],
)  # fmt: skip
def test_another_network_is_refused(change, message, tmp_path):
    path = tmp_path / "a.npz"
    save_network(build(), path)
    with pytest.raises(ValidationError, match=f"build: must return the .*{message}"):
        load_network(path, lambda: build(**change))
    save_network(build(**change), path)
    with pytest.raises(ValidationError, match="build: must return the network"):
        load_network(path, build)


def test_spiking_memories_must_be_made_alike(tmp_path):
    path, options = tmp_path / "a.npz", dict(n_neurons=60, synapse=0.02)
    save_network(build(realization=Spiking(**options)), path)
    load_network(path, lambda: build(realization=Spiking(**options)))
    for other in (dict(synapse=0.03), dict(radius=2.0), dict(n_neurons=61)):
        realization = Spiking(**{**options, **other})
        with pytest.raises(ValidationError, match="realization.args.*; built"):
            load_network(path, lambda r=realization: build(realization=r))


def test_the_same_network_is_loaded_in_every_exact_realization(tmp_path):
    path = tmp_path / "a.npz"
    save_network(build(), path)
    for realization in (Linear(), Windowed(7)):
        load_network(path, lambda r=realization: build(realization=r))


def test_inputs_and_roundings_may_be_others(tmp_path):
    path = tmp_path / "a.npz"

    def with_input(output, constant=2.0):
        network = build(constant=(1.0, constant))
        with network:
            nengo.Node(output)
        return network

    save_network(with_input(nengo.processes.WhiteSignal(1.0, high=5)), path)
    load_network(path, lambda: with_input(np.sin, constant=2.0 + 1e-9))


def test_what_a_file_does_not_say_needs_a_function(tmp_path):
    path = tmp_path / "a.npz"
    with nengo.Network(seed=0) as network:
        a, b = nengo.Ensemble(30, 1), nengo.Node(size_in=1)
        nengo.Connection(a, b, eval_points=[[0.5], [1.0]])
    save_network(network, path)
    with pytest.raises(ValidationError, match="build: must be given.*eval_points"):
        load_network(path)
