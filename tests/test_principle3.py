import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo import discretize, lowpass_principle3, simulate, state_space


@pytest.mark.parametrize("dt", [1e-4, 1e-3, 1e-2])
@pytest.mark.parametrize("tau", [0.005, 0.1])
def test_identity_neurons_give_the_ideal_state_space(tau, dt):
    order = 5
    Ad, Bd = discretize(*state_space(order, 0.5), dt)
    recurrent, drive = lowpass_principle3(Ad, Bd, tau, dt)
    u = np.random.RandomState(0).randn(200, 1)
    with nengo.Network() as network:
        source = nengo.Node(nengo.processes.PresentInput(u, dt))
        state = nengo.Node(size_in=order)
        nengo.Connection(source, state, transform=drive, synapse=tau)
        nengo.Connection(state, state, transform=recurrent, synapse=tau)
        probe = nengo.Probe(state)
    with nengo.Simulator(network, dt=dt, progress_bar=False) as sim:
        sim.run_steps(200)
    # a synapse shows its input one step later
    assert np.abs(sim.data[probe][1:] - simulate(Ad, Bd, u)[:-1]).max() < 1e-12


def test_bad_time_constants_are_refused():
    Ad, Bd = discretize(*state_space(2, 1.0), 0.001)
    for tau, dt in ((0, 0.001), (-1, 0.001), (0.1, 0), (np.nan, 0.001)):
        with pytest.raises(ValidationError, match="above 0"):
            lowpass_principle3(Ad, Bd, tau, dt)
