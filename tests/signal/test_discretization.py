import numpy as np
import pytest
from nengo.exceptions import ValidationError
from scipy import signal
from scipy.integrate import solve_ivp

from lmu_nengo.signal import discretize, impulse_response, simulate, state_space


def held_response(order, theta, dt, n_steps, method="zoh"):
    """Input, our states, and the continuous system (A, B)."""
    A, B = state_space(theta, order)
    u = np.random.RandomState(order).randn(n_steps, 1)
    return u, simulate(*discretize(A, B, dt, method), u), (A, B)


@pytest.mark.parametrize("order, dt", [(1, 0.01), (6, 0.001), (40, 0.001)])
def test_zero_order_hold_equals_scipys_simulation_of_a_held_input(order, dt):
    u, m, (A, B) = held_response(order, 0.2, dt, 300)
    system = signal.StateSpace(A, B, np.eye(order), np.zeros((order, 1)))
    # lsim holds u[k] from k dt on, and shows the state at the start of the hold
    _, _, states = signal.lsim(system, np.append(u, 0), np.arange(301) * dt, interp=False)
    assert np.allclose(m, states.reshape(301, order)[1:], atol=1e-10)


def test_zero_order_hold_equals_a_differential_equation_solver():
    order, dt = 12, 0.01
    u, m, (A, B) = held_response(order, 0.3, dt, 20)
    x = np.zeros(order)
    for k in range(20):
        x = solve_ivp(
            lambda t, x, k=k: A @ x + B[:, 0] * u[k],
            (0, dt),
            x,
            method="DOP853",
            rtol=1e-12,
            atol=1e-13,
        ).y[:, -1]
        assert np.allclose(m[k], x, atol=1e-9)


@pytest.mark.parametrize("method, rate", [("euler", 1), ("bilinear", 2)])
def test_other_rules_converge_to_zero_order_hold_at_their_order(method, rate):
    A, B = state_space(1.0, 4)

    def error(dt):
        exact, _ = discretize(A, B, dt)
        return np.abs(discretize(A, B, dt, method)[0] - exact).max()

    # the error of one step is of order rate + 1
    assert np.log2(error(2e-4) / error(1e-4)) == pytest.approx(rate + 1, abs=0.05)


def test_order_1000_is_accurate():
    A, B = state_space(1.0, 1000)
    Ad, Bd = discretize(A, B, 1e-3)
    settled = np.zeros((1000, 1))
    settled[0] = 1
    assert np.abs(Ad @ settled + Bd - settled).max() < 1e-12
    half, _ = discretize(A, B, 5e-4)
    assert np.abs(half @ half - Ad).max() < 1e-12
    assert np.abs(np.linalg.eigvals(Ad)).max() < 1


def test_impulse_response_equals_scipys():
    A, B = state_space(0.1, 5)
    Ad, Bd = discretize(A, B, 0.001)
    C, D = np.eye(5), np.zeros((5, 1))
    _, (response,) = signal.dimpulse((Ad, Bd, C, D, 0.001), n=60)
    assert np.allclose(impulse_response(Ad, Bd, 59), response[1:], atol=1e-12)


def test_bad_arguments_are_refused():
    A, B = state_space(1.0, 3)
    with pytest.raises(ValidationError, match="'zoh', 'euler', 'bilinear'"):
        discretize(A, B, 0.001, "tustin")
    with pytest.raises(ValidationError, match="must be positive"):
        discretize(A, B, 0)
    with pytest.raises(ValidationError, match=r"must be of shape \(order, order\)"):
        discretize(A[:2], B, 0.001)
    with pytest.raises(ValidationError, match=r"of shape \(3, size_in\)"):
        discretize(A, B[:2], 0.001)
    with pytest.raises(ValidationError, match="unstable"):
        discretize(*state_space(0.1, 100), 0.001, "euler")
    with pytest.raises(ValidationError, match="at least 1"):
        impulse_response(A, B, 0)
