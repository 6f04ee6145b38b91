"""What is compiled, and when."""

import nengo

from lmu_nengo import engine


def make_network():
    """Ensembles that read each other, so that Nengo's optimizer has much to merge."""
    with nengo.Network(seed=0, label="network") as network:
        ensembles = [nengo.Ensemble(20, 2, label=f"ensemble {i}") for i in range(4)]
        for i, pre in enumerate(ensembles):
            node = nengo.Node([0.5] * 2, label=f"input {i}")
            nengo.Connection(node, pre)
            nengo.Connection(pre, ensembles[i - 1], synapse=0.01 * (i + 1))
            nengo.Probe(pre, synapse=0.01)
    return network


def test_the_same_network_is_the_same_program():
    # else neither JAX's cache nor other processes would know it
    programs = set()
    for _ in range(5):
        with engine.Simulator(make_network(), progress_bar=False) as sim:
            programs.add("\n".join(str(op) for op in sim.step_order))
    assert len(programs) == 1
