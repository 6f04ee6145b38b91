import pickle

import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError
from scipy.signal import lfilter, lsim

from lmu_nengo.nef import (
    DelayedLowpass,
    continuous_principle3,
    discrete_synapse,
    loop_poles,
    principle3,
)
from lmu_nengo.signal import discretize, simulate, state_space

TOLERANCE = 1e-12  # of the largest value; the worst seen is 1e-14


def linear(num, *taus, **kwargs):
    """Linear filter of a numerator and first-order lowpasses in series."""
    den = np.poly1d([1.0])
    for tau in taus:
        den *= np.poly1d([tau, 1])
    return nengo.LinearFilter(num, den.coeffs, **kwargs)


SYNAPSES = {
    "one step": 0,
    "lowpass": 0.1,
    "double exponential": linear([1], 0.1, 0.005),
    "alpha": nengo.Alpha(0.03),
    "third order": linear([1], 0.03, 0.02, 0.01),
    "with zeros": linear([0.004, 1], 0.1, 0.05),
    "passes on at once": linear([0.01, 1], 0.1),
    "bilinear": linear([1], 0.1, method="bilinear"),
    "discrete": nengo.LinearFilter([0.1, 0.05], [1, -1.2, 0.35], analog=False),
    "discrete, proper": nengo.LinearFilter([0.2, 0.1], [1, -0.7], analog=False),
}
MIXES = {
    "lowpasses": list(np.linspace(0.05, 0.15, 6)),
    "kinds": [
        0.1,
        nengo.Alpha(0.01),
        DelayedLowpass(0.03, 0.005),
        0,
        SYNAPSES["third order"],
        SYNAPSES["with zeros"],
    ],
    "slow": [0.1, nengo.Alpha(0.02), DelayedLowpass(0.05, 0.003), 0.05, 0.2, 0.1],
}


def run_loop(Ad, Bd, synapse, dt, u, lead=0.0, plain_input=False):
    """Run the mapping in Nengo, a node in the neurons' place; also return the mapping."""
    mapping = principle3(Ad, Bd, synapse, dt, lead=lead)
    order, several = len(Ad), isinstance(synapse, list)
    rows = [slice(i, i + 1) for i in range(order)] if several else [slice(None)]
    synapses = synapse if several else [synapse]
    last = np.zeros(order)

    def neurons(t, x):
        y = x + lead / dt * (x - last)
        last[:] = x
        return y

    with nengo.Network() as network:
        source = nengo.Node(nengo.processes.PresentInput(u, dt))
        state = nengo.Node(size_in=order)
        decoded = nengo.Node(neurons, size_in=order)
        nengo.Connection(state, decoded, synapse=None)
        for i, s in zip(rows, synapses, strict=True):
            nengo.Connection(decoded, state[i], transform=mapping.recurrent[i], synapse=s)
        if plain_input:
            for i, s in zip(rows, synapses, strict=True):
                matrix = mapping.input_transform[i]
                nengo.Connection(source, state[i], transform=matrix, synapse=s)
        else:
            filtered = nengo.Node(mapping.input_filter())
            nengo.Connection(source, filtered, synapse=None)
            nengo.Connection(filtered, state, synapse=None)
        probe = nengo.Probe(state)
    with nengo.Simulator(network, dt=dt, progress_bar=False) as sim:
        sim.run_steps(len(u))
    return sim.data[probe], mapping


def run_numpy(mapping, Ad, Bd, synapse, dt, v):
    """Run the loop as published: in powers of z^-1, with its own input matrices."""
    b, a = discrete_synapse(synapse, dt)
    k, order = max(len(a), len(b)) - 1, len(Ad)
    a, b = np.pad(a, (0, k + 1 - len(a))), np.pad(b, (0, k + 1 - len(b)))
    R = mapping.recurrent
    E = [np.zeros_like(Bd)]
    for n in range(k):
        powers = (np.linalg.matrix_power(Ad, n - j) @ Bd for j in range(n + 1))
        E.append(sum(a[j] * p - b[j] * R @ p for j, p in enumerate(powers)))
    x, w = np.zeros((2, len(v), order))
    for t in range(len(v)):
        for n in range(1, min(k, t) + 1):
            x[t] += b[n] * w[t - n] + E[n] @ v[t - n] - a[n] * x[t - n]
        w[t] = R @ x[t]
    return x


def relative_error(x, Ad, Bd, u):
    """Largest error of a state that comes one step late, over the largest value."""
    wanted = simulate(Ad, Bd, u)[:-1]
    with np.errstate(all="ignore"):
        error = np.abs(x[1:] - wanted).max() / np.abs(wanted).max()
    return error if np.isfinite(error) else np.inf


def noise(n_steps, size=1):
    return np.random.RandomState(0).randn(n_steps, size)


@pytest.mark.parametrize("dt", [1e-5, 1e-3, 1e-2])
@pytest.mark.parametrize("name", SYNAPSES)
@pytest.mark.parametrize("order", [1, 6])
def test_identity_neurons_are_exact_for_any_synapse(order, name, dt):
    Ad, Bd = discretize(*state_space(1.0, order), dt)
    u = noise(200)
    x, mapping = run_loop(Ad, Bd, SYNAPSES[name], dt, u)
    assert relative_error(x, Ad, Bd, u) < TOLERANCE
    assert np.abs(loop_poles(mapping)).max() < 1


@pytest.mark.parametrize("delay", [0, 1, 7, 100])
@pytest.mark.parametrize(
    "order, theta, dt", [(1, 0.1, 1e-3), (6, 1.0, 1e-2), (6, 1.0, 1e-5)]
)
def test_identity_neurons_are_exact_with_a_delay(order, theta, dt, delay):
    Ad, Bd = discretize(*state_space(theta, order), dt)
    u = noise(300)
    x, _ = run_loop(Ad, Bd, DelayedLowpass(0.1, delay * dt), dt, u)
    assert relative_error(x, Ad, Bd, u) < TOLERANCE


@pytest.mark.parametrize("dt", [1e-5, 1e-3])
@pytest.mark.parametrize("mix", MIXES)
def test_each_dimension_may_have_its_own_synapse(mix, dt):
    Ad, Bd = discretize(*state_space(1.0, 6), dt)
    u = noise(200)
    x, mapping = run_loop(Ad, Bd, MIXES[mix], dt, u)
    assert relative_error(x, Ad, Bd, u) < TOLERANCE
    assert np.abs(loop_poles(mapping)).max() < 1


@pytest.mark.parametrize(
    "synapse",
    [0.1, nengo.Alpha(0.05), DelayedLowpass(0.1, 0.007), MIXES["lowpasses"], MIXES["slow"]],
)
@pytest.mark.parametrize("dt", [1e-4, 1e-3])
def test_neurons_that_lead_are_allowed_for(synapse, dt):
    Ad, Bd = discretize(*state_space(1.0, 6), dt)
    u = noise(200)
    x, mapping = run_loop(Ad, Bd, synapse, dt, u, lead=0.004)
    assert relative_error(x, Ad, Bd, u) < TOLERANCE
    assert np.abs(loop_poles(mapping)).max() < 1
    without = principle3(Ad, Bd, synapse, dt)
    assert np.abs(mapping.recurrent - without.recurrent).max() > 1e-3


@pytest.mark.parametrize(
    "synapse",
    [0.1, nengo.Alpha(0.01), linear([1], 0.1, 0.005), DelayedLowpass(0.1, 0.001)],
)
@pytest.mark.parametrize("theta, dt", [(1.0, 1e-3), (1.0, 1e-5)])
def test_identity_neurons_are_exact_at_order_27(synapse, theta, dt):
    Ad, Bd = discretize(*state_space(theta, 27), dt)
    u = noise(300)
    x, _ = run_loop(Ad, Bd, synapse, dt, u)
    assert relative_error(x, Ad, Bd, u) < TOLERANCE


@pytest.mark.parametrize("synapse", [0.1, 0, MIXES["lowpasses"]])
def test_plain_lowpasses_can_take_the_input_too(synapse):
    Ad, Bd = discretize(*state_space(0.1, 6), 1e-3)
    Bd = np.hstack([Bd, Bd[::-1]])  # two inputs
    u = noise(200, size=2)
    for plain_input in (False, True):
        x, _ = run_loop(Ad, Bd, synapse, 1e-3, u, plain_input=plain_input)
        assert relative_error(x, Ad, Bd, u) < TOLERANCE


@pytest.mark.parametrize("synapse", [nengo.Alpha(0.1), DelayedLowpass(0.1, 0.002)])
def test_other_synapses_cannot_take_the_input(synapse):
    Ad, Bd = discretize(*state_space(1.0, 3), 1e-3)
    assert principle3(Ad, Bd, synapse, 1e-3).input_transform is None


def test_a_plain_input_errs_with_a_lead_in_proportion_to_the_slope():
    dt, lead = 1e-3, 0.004
    Ad, Bd = discretize(*state_space(1.0, 6), dt)
    t = dt * np.arange(3000)
    errors = []
    for frequency in (0.5, 1.0):
        u = np.sin(2 * np.pi * frequency * t)[:, None]
        x, _ = run_loop(Ad, Bd, 0.1, dt, u, lead=lead, plain_input=True)
        errors.append(relative_error(x, Ad, Bd, u))
    assert errors[1] < 2 * np.pi * lead * dt / 0.1 * 2
    assert 1e-12 < 1.5 * errors[0] < errors[1]


@pytest.mark.parametrize("name", [*SYNAPSES, "delayed"])
def test_published_equations_in_powers_of_z(name):
    dt = 1e-3
    synapse = SYNAPSES.get(name, DelayedLowpass(0.1, 0.007))
    Ad, Bd = discretize(*state_space(1.0, 6), dt)
    v = noise(300)
    x = run_numpy(principle3(Ad, Bd, synapse, dt), Ad, Bd, synapse, dt, v)
    # less: powers of z^-1 lose (tau / dt)^degree in precision
    assert relative_error(x, Ad, Bd, v) < 1e-11


@pytest.mark.parametrize("dt", [1e-4, 1e-2])
@pytest.mark.parametrize("name", [*SYNAPSES, "tiny", "delayed"])
def test_discrete_synapse_is_what_a_connection_does(name, dt):
    others = {"tiny": 1e-4, "delayed": DelayedLowpass(0.05, 5 * dt)}
    synapse = {**SYNAPSES, **others}[name]
    impulse = np.zeros((50, 1))
    impulse[0] = 1
    with nengo.Network() as network:
        source = nengo.Node(nengo.processes.PresentInput(impulse, dt))
        target = nengo.Node(size_in=1)
        nengo.Connection(source, target, synapse=synapse)
        probe = nengo.Probe(target)
    with nengo.Simulator(network, dt=dt, progress_bar=False) as sim:
        sim.run_steps(50)
        response = sim.data[probe].copy()
        sim.reset()
        sim.run_steps(50)
    num, den = discrete_synapse(synapse, dt)
    assert num[0] == 0 and den[0] == 1
    wanted = lfilter(num, den, impulse[:, 0])
    assert np.allclose(response[:, 0], wanted, rtol=1e-8, atol=1e-12 * wanted.max())
    assert np.array_equal(response, sim.data[probe])


def test_delayed_lowpass_is_a_nengo_synapse():
    synapse = DelayedLowpass(0.02, delay=0.01)
    x = noise(100, size=2)
    late = np.vstack([np.zeros((10, 2)), x[:-10]])
    assert np.array_equal(synapse.filt(x), nengo.Lowpass(0.02).filt(late))
    assert np.allclose(synapse.filt(np.ones((30, 2)), y0=1), 1)
    assert synapse == pickle.loads(pickle.dumps(synapse)) == DelayedLowpass(0.02, 0.01)
    assert synapse != DelayedLowpass(0.02, 0.02)
    assert repr(synapse) == "DelayedLowpass(tau=0.02, delay=0.01)"


CASES = [
    (6, 0.1, nengo.Alpha(0.1), False),
    (6, 0.1, nengo.Alpha(0.01), True),
    (6, 1.0, nengo.Alpha(0.1), True),
    (27, 0.1, linear([1], 0.1, 0.005), False),
    (6, 0.1, linear([1], 0.1, 0.005), True),
    (6, 0.1, MIXES["kinds"], False),
    (27, 0.1, DelayedLowpass(0.1, 0.001), True),
    (27, 0.1, DelayedLowpass(0.1, 0.007), False),
    (6, 0.1, DelayedLowpass(0.1, 0.1), True),
]


@pytest.mark.parametrize("order, theta, synapse, is_stable", CASES)
def test_loop_poles_tell_which_loops_blow_up(order, theta, synapse, is_stable):
    Ad, Bd = discretize(*state_space(theta, order), 1e-3)
    u = noise(1500)
    x, mapping = run_loop(Ad, Bd, synapse, 1e-3, u)
    assert (np.abs(loop_poles(mapping)).max() < 1) == is_stable
    assert (relative_error(x, Ad, Bd, u) < 1e-9) == is_stable


def test_loop_poles_hold_the_wanted_and_the_parasitic_ones():
    A, B = state_space(0.3, 5)
    wanted = np.linalg.eigvals(A)
    poles = loop_poles(continuous_principle3(A, B, nengo.Alpha(0.1)))
    parasitic = -wanted - 2 / 0.1
    distance = np.abs(poles[:, None] - np.concatenate([wanted, parasitic]))
    assert len(poles) == 10 and distance.min(axis=0).max() < 1e-9
    poles = loop_poles(continuous_principle3(A, B, 0.1, lead=0.02))  # passes on at once
    assert len(poles) == 5 and np.abs(poles[:, None] - wanted).min(axis=0).max() < 1e-9
    Ad, Bd = discretize(A, B, 1e-3)
    for synapse in (nengo.Alpha(0.1), DelayedLowpass(0.1, 0.02), MIXES["kinds"][:5]):
        poles = loop_poles(principle3(Ad, Bd, synapse, 1e-3, lead=0.002))
        distance = np.abs(poles[:, None] - np.linalg.eigvals(Ad))
        assert distance.min(axis=0).max() < 1e-9


CONTINUOUS = {
    "lowpass": (0.05, 0.0),
    "alpha": (nengo.Alpha(0.05), 0.0),
    "double exponential": (linear([1], 0.05, 0.02), 0.0),
    "third order": (linear([1], 0.03, 0.01, 0.005), 0.0),
    "with zeros": (linear([0.01, 1], 0.05, 0.03), 0.0),
    "lowpass, lead": (0.05, 0.01),
    "alpha, lead": (nengo.Alpha(0.05), 0.01),
    "delay": (DelayedLowpass(0.05, 0.02), 0.0),
}


def continuous_error(A, B, synapse, lead, dt):
    """Error of the loop in steps, driven by sin(5 t) and its derivatives."""
    mapping = continuous_principle3(A, B, synapse, lead)
    order, t = len(A), np.arange(round(1 / dt)) * dt
    u = [np.real(5**j * 1j**j * -1j * np.exp(5j * t))[:, None] for j in range(4)]
    drive = sum(u[j] @ m.T for j, m in enumerate(mapping.inputs))
    late = round(mapping.delays[0] / dt)
    undelayed = nengo.Lowpass(synapse.tau) if late else synapse
    drive = nengo.LinearFilter([1], mapping.den[0, ::-1]).filt(drive, dt=dt)
    if late:
        Ad, Bd = discretize(A, B, dt)
        past = simulate(Ad, Bd, u[0])
        past[late:] -= past[:-late] @ np.linalg.matrix_power(Ad, late).T
        inverse = mapping.recurrent @ np.linalg.inv(np.linalg.matrix_power(Ad, late))
        drive += undelayed.filt(past @ inverse.T, dt=dt)
    synapse = nengo.Lowpass(synapse) if isinstance(synapse, float) else synapse
    state = synapse.make_state((order,), (order,), dt)
    step = synapse.make_step((order,), (order,), dt, None, state)
    x, recurrent = np.zeros((len(t) + 1, order)), np.zeros(order)
    for i in range(len(t)):
        x[i] = drive[i] + recurrent
        decoded = x[i] + lead / dt * (x[i] - x[i - 1])  # x[-1] is still zero
        recurrent = step(t[i], mapping.recurrent @ decoded)
    wanted = lsim((A, B, np.eye(order), np.zeros((order, 1))), u[0], t)[1]
    return np.abs(x[:-1] - wanted).max()


@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous_error_falls_in_proportion_to_dt(name):
    errors = [
        continuous_error(*state_space(0.5, 3), *CONTINUOUS[name], dt)
        for dt in (1e-3, 5e-4, 2.5e-4)
    ]
    assert errors[0] < 0.05
    assert np.log2(errors[0] / errors[1]) == pytest.approx(1, abs=0.1)
    assert np.log2(errors[1] / errors[2]) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_discrete_matrices_tend_to_the_continuous(name):
    A, B = state_space(0.5, 4)
    synapse, lead = CONTINUOUS[name]
    wanted = continuous_principle3(A, B, synapse, lead).recurrent
    errors = []
    for dt in (1e-4, 1e-5):
        mapping = principle3(*discretize(A, B, dt), synapse, dt, lead=lead)
        errors.append(np.abs(mapping.recurrent - wanted).max())
    assert errors[1] < 0.2 * errors[0] < 0.02 * np.abs(wanted).max()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"Ad": np.eye(2)[:1]}, "must be of shape \\(order, order\\)"),
        ({"Bd": np.ones(2)}, "of shape \\(2, size_in\\)"),
        ({"dt": 0}, "must be positive"),
        ({"lead": -1.0}, "must be non-negative"),
        ({"synapse": None}, "must be a time constant"),
        ({"synapse": nengo.synapses.Triangle(0.1)}, "must be a time constant"),
        ({"synapse": [0.1] * 3}, "must be one synapse or a list of 2"),
        ({"synapse": -0.1}, "must be non-negative"),
        ({"synapse": nengo.LinearFilter([1, 2, 3], [1, 1])}, "Improper"),
        ({"synapse": nengo.LinearFilter([0], [0.1, 1])}, "a non-zero numerator"),
        ({"synapse": nengo.LinearFilter([1, -0.9], [1, 0, 0], analog=False)}, "zero"),
    ],
)
def test_bad_arguments_are_refused(change, message):
    arguments = {"Ad": 0.9 * np.eye(2), "Bd": np.ones((2, 1)), "synapse": 0.1, "dt": 1e-3}
    with pytest.raises(ValidationError, match=message):
        principle3(**{**arguments, **change})


def test_bad_delays_are_refused():
    for tau, delay in ((0, 0.1), (0.1, -1), (0.1, np.nan), (0.1, np.inf)):
        with pytest.raises(ValidationError, match="must be (positive|non-negative)"):
            DelayedLowpass(tau, delay)


def test_continuous_form_refuses_what_it_cannot_do():
    A, B = state_space(1.0, 2)
    for synapse in (0, SYNAPSES["discrete"], nengo.LinearFilter([1, 2, 3], [1, 1])):
        with pytest.raises(ValidationError, match="must be an analog filter"):
            continuous_principle3(A, B, synapse)
    mapping = continuous_principle3(A, B, DelayedLowpass(0.1, 0.1))
    with pytest.raises(ValidationError, match="infinitely many"):
        loop_poles(mapping)
    with pytest.raises(ValidationError, match="no input filter"):
        mapping.input_filter()


def test_input_filter_refuses_another_dt():
    mapping = principle3(*discretize(*state_space(1.0, 2), 1e-3), 0.1, 1e-3)
    with nengo.Network() as network:
        nengo.Node(mapping.input_filter())
    with pytest.raises(ValidationError, match="made for dt=0.001 s"):
        nengo.Simulator(network, dt=1e-2, progress_bar=False)
