import numpy as np
import pytest
from nengo.exceptions import ValidationError
from scipy import signal, special
from scipy.interpolate import pade

from lmu_nengo import delay_decoders
from lmu_nengo.signal import reconstruct_window, state_space


def padé_delay(order):
    """Coefficients of the [order-1/order] Padé approximant of exp(-s)."""
    taylor = [(-1) ** k / special.factorial(k) for k in range(2 * order)]
    numerator, denominator = pade(taylor, order, order - 1)
    return numerator.coeffs, denominator.coeffs


@pytest.mark.parametrize("order", [1, 2, 3, 6])
def test_transfer_function_of_the_delay_is_its_padé_approximant(order):
    theta = 0.3
    A, B = state_space(theta, order)
    C = delay_decoders(order, 1.0)
    frequencies = np.linspace(0.1, 4, 50) / theta  # rad/s
    response = [
        (C @ np.linalg.solve(1j * w * np.eye(order) - A, B)).item() for w in frequencies
    ]
    _, expected = signal.freqs(*padé_delay(order), worN=frequencies * theta)
    assert np.allclose(response, expected, atol=1e-9)


def test_padé_error_at_order_6_and_theta_times_frequency_1():
    # the published figure, nengolib's table
    A, B = state_space(1.0, 6)
    s = 2j * np.pi
    response = delay_decoders(6, 1.0) @ np.linalg.solve(s * np.eye(6) - A, B)
    assert abs(response.item() - np.exp(-s)) == pytest.approx(0.00704, abs=5e-6)


@pytest.mark.parametrize("order", [6, 9, 12, 30])
def test_frequencies_up_to_order_over_6_theta_are_kept(order):
    A, B = state_space(1.0, order)
    points = np.linspace(0.1, 1, 19)
    decoders = delay_decoders(order, points)
    for frequency in np.linspace(0, order / 6, 20):
        s = 2j * np.pi * frequency
        response = (decoders @ np.linalg.solve(s * np.eye(order) - A, B))[:, 0]
        errors = np.abs(response - np.exp(-s * points))
        assert errors.max() < 0.05 and errors[-1] < 0.01


@pytest.mark.parametrize("order", [1, 7, 1000])
def test_delay_decoders_are_shifted_legendre_polynomials(order):
    points = np.linspace(0, 1, 17)
    expected = np.stack([special.eval_sh_legendre(i, points) for i in range(order)], axis=1)
    assert delay_decoders(order, points).shape == (17, order)
    assert np.allclose(delay_decoders(order, points), expected, atol=1e-9)


@pytest.mark.parametrize("order", [1, 6, 1000])
def test_constant_input_settles_at_the_first_coefficient(order):
    A, B = state_space(0.5, order)
    settled = np.zeros((order, 1))
    settled[0] = 1  # the Legendre series of 1
    assert np.abs(A @ settled + B).max() == 0


def test_order_1000_is_stable_and_reads_a_constant_back():
    A, B = state_space(2.0, 1000)
    assert np.linalg.eigvals(A).real.max() < 0
    m = np.linalg.solve(-A, B)[:, 0]
    assert np.allclose(reconstruct_window(m, [0, 0.25, 1]), 1, atol=1e-8)


def test_window_of_a_polynomial_is_exact():
    # u(t - r theta) = 1 + r - 3 r^2 has the shifted Legendre series (1/2, -1, -1/2)
    points = np.linspace(0, 1, 9)
    window = reconstruct_window([[0.5, -1.0, -0.5], [1.0, 0.0, 0.0]], points)
    assert np.allclose(window, [1 + points - 3 * points**2, np.ones(9)])


@pytest.mark.parametrize("order", [0, -1, 2.5, "6", None, True])
def test_bad_order_is_refused(order):
    with pytest.raises(ValidationError, match="must be an integer of at least 1"):
        state_space(1.0, order)
    with pytest.raises(ValidationError, match="must be an integer of at least 1"):
        delay_decoders(order, 0.5)


@pytest.mark.parametrize("theta", [0, -1.0, np.nan, np.inf, "1"])
def test_bad_theta_is_refused(theta):
    with pytest.raises(ValidationError, match="must be positive"):
        state_space(theta, 3)


@pytest.mark.parametrize("points", [-0.01, [0, 1.5]])
def test_points_outside_the_window_are_refused(points):
    with pytest.raises(ValidationError, match=r"must be delay / theta in \[0, 1\]"):
        delay_decoders(3, points)


def test_points_of_two_dimensions_are_refused():
    with pytest.raises(ValidationError, match="one-dimensional"):
        delay_decoders(3, [[0.5]])
