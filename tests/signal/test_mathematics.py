"""The equations of docs/mathematics.md, by their letters, against SciPy and the library."""

from math import comb, factorial

import nengo
import numpy as np
import pytest
from scipy.interpolate import pade
from scipy.linalg import expm
from scipy.signal import cont2discrete, dlsim, ss2tf
from scipy.special import eval_sh_legendre

import lmu_nengo

ORDERS = [1, 2, 3, 4, 5, 6]


def equation_c(q):
    i, j = np.indices((q, q))
    A = (2 * i + 1) * np.where(i < j, -1.0, (-1.0) ** (i - j + 1))
    B = ((2 * np.arange(q) + 1) * (-1.0) ** np.arange(q))[:, None]
    return A, B


def equation_a(q):
    """Numerator and denominator for theta = 1, highest power first."""
    num = [comb(q - 1, i) * factorial(2 * q - 1 - i) * (-1) ** i for i in range(q)]
    den = [comb(q, i) * factorial(2 * q - 1 - i) for i in range(q + 1)]
    return np.array(num[::-1], float), np.array(den[::-1], float)


@pytest.mark.parametrize("q", ORDERS)
def test_a_is_the_pade_approximant_of_a_delay(q):
    series = [(-1) ** k / factorial(k) for k in range(2 * q)]  # of exp(-s)
    numerator, denominator = pade(series, q, q - 1)
    num, den = equation_a(q)
    assert np.allclose(num / den[-1], numerator.c / denominator.c[-1], rtol=1e-6)
    assert np.allclose(den / den[-1], denominator.c / denominator.c[-1], rtol=1e-6)


@pytest.mark.parametrize("q", ORDERS)
def test_the_far_end_of_c_is_a(q):
    A, B = equation_c(q)
    numerator, denominator = ss2tf(A, B, np.ones((1, q)), np.zeros((1, 1)))
    num, den = equation_a(q)
    assert np.allclose(denominator, den / den[0], rtol=1e-9)
    assert np.allclose(numerator[0, 1:], num / den[0], rtol=1e-9)


def test_b_reads_with_shifted_legendre_polynomials():
    points = np.linspace(0, 1, 7)
    polynomials = np.stack([eval_sh_legendre(i, points) for i in range(9)], axis=1)
    assert np.allclose(lmu_nengo.delay_decoders(9, points), polynomials, atol=1e-12)


@pytest.mark.parametrize("q", ORDERS)
def test_c_is_the_transport_of_the_window(q):
    # the derivation's integral, done by Gauss' rule instead of by hand
    nodes, weights = np.polynomial.legendre.leggauss(2 * q)
    r, weights = (nodes + 1) / 2, weights / 2
    P = np.polynomial.legendre.legvander(2 * r - 1, q - 1)
    basis = [np.polynomial.legendre.Legendre.basis(i, [0, 1]) for i in range(q)]
    slopes = np.stack([p.deriv()(r) if i else 0 * r for i, p in enumerate(basis)], axis=1)
    scale = 2 * np.arange(q)[:, None] + 1
    A, B = equation_c(q)
    assert np.allclose(scale * (slopes.T * weights @ P - 1), A, atol=1e-9)
    assert np.allclose(scale * np.array([[p(0)] for p in basis]), B)


def test_c_is_what_the_library_has_and_loses_the_energy_of_the_far_end():
    theta, q = 0.3, 8
    A, B = equation_c(q)
    for ours, equation in zip(lmu_nengo.signal.state_space(theta, q), (A, B), strict=True):
        assert np.allclose(ours * theta, equation)
    energy = np.diag(1 / (2 * np.arange(q) + 1))
    # d/dt m^T E m = -(sum m)^2 - (sum (-1)^i m)^2 without input
    near = (-1.0) ** np.arange(q)
    assert np.allclose(
        energy @ A + A.T @ energy, -np.ones((q, q)) - np.outer(near, near), atol=1e-12
    )


def test_d_is_the_error_of_a_sine():
    q, cycles, r = 6, 0.8, 0.4
    A, B = equation_c(q)
    s = 2j * np.pi * cycles
    response = eval_sh_legendre(np.arange(q), r) @ np.linalg.solve(s * np.eye(q) - A, B)
    error = abs(response[0] - np.exp(-r * s))
    assert np.isclose(lmu_nengo.signal.delay_error(q, cycles, r), error, rtol=1e-9)


def test_e_is_zero_order_hold_and_f_its_convolution():
    q, theta, dt = 5, 0.1, 0.001
    A, B = equation_c(q)
    Ad = expm(A * dt / theta)
    Bd = np.linalg.solve(A, (Ad - np.eye(q)) @ B)
    reference = cont2discrete((A / theta, B / theta, np.eye(q), np.zeros((q, 1))), dt)
    ours = lmu_nengo.signal.discretize(*lmu_nengo.signal.state_space(theta, q), dt)
    for equation, scipys, library in zip((Ad, Bd), reference, ours, strict=False):
        assert np.allclose(equation, scipys, atol=1e-12)
        assert np.allclose(library, scipys, atol=1e-12)

    u = np.random.RandomState(0).randn(50, 1)
    h = lmu_nengo.signal.impulse_response(Ad, Bd, len(u))
    convolved = [sum(h[k] * u[t - k] for k in range(t + 1)) for t in range(len(u))]
    # SciPy's output is that of the state before the step
    _, _, states = dlsim((Ad, Bd, np.eye(q), np.zeros((q, 1)), dt), np.vstack([u, [[0]]]))
    assert np.allclose(convolved, states[1:], atol=1e-12)
    assert np.allclose(lmu_nengo.signal.simulate(Ad, Bd, u), states[1:], atol=1e-12)


def test_g_is_h_and_i_for_a_lowpass():
    q, theta, tau, dt = 5, 0.5, 0.1, 0.001
    A, B = (matrix / theta for matrix in equation_c(q))
    continuous = lmu_nengo.nef.continuous_principle3(A, B, tau)
    assert np.allclose(continuous.recurrent, tau * A + np.eye(q), atol=1e-12)
    assert np.allclose(continuous.inputs[0], tau * B, atol=1e-12)

    Ad, Bd, *_ = cont2discrete((A, B, np.eye(q), np.zeros((q, 1))), dt)
    a = np.exp(-dt / tau)
    discrete = lmu_nengo.nef.principle3(Ad, Bd, tau, dt)
    assert np.allclose(discrete.recurrent, (Ad - a * np.eye(q)) / (1 - a), atol=1e-10)
    assert np.allclose(discrete.input_transform, Bd / (1 - a), atol=1e-10)


def test_h_is_the_limit_of_i_for_short_steps():
    q, theta, tau = 5, 0.5, 0.1
    A, B = (matrix / theta for matrix in equation_c(q))
    limit = tau * A + np.eye(q)
    errors = []
    for dt in (1e-3, 1e-4):
        Ad, Bd, *_ = cont2discrete((A, B, np.eye(q), np.zeros((q, 1))), dt)
        errors.append(
            np.abs(lmu_nengo.nef.principle3(Ad, Bd, tau, dt).recurrent - limit).max()
        )
    assert np.isclose(errors[0] / errors[1], 10, rtol=0.05)


@pytest.mark.parametrize("synapse", [0.05, nengo.Alpha(0.01)], ids=["lowpass", "alpha"])
def test_g_makes_the_loop_do_what_was_wanted(synapse):
    q, theta = 3, 0.3
    A, B = (matrix / theta for matrix in equation_c(q))
    mapping = lmu_nengo.nef.continuous_principle3(A, B, synapse)
    # den(s) x = num(s) A' x + sum_j s^j B_j u at one s, where x = (sI - A)^-1 B
    s = 3.0 + 20j
    x = np.linalg.solve(s * np.eye(q) - A, B)
    powers = s ** np.arange(mapping.den.shape[1])
    left = mapping.den @ powers
    drive = np.tensordot(powers[: len(mapping.inputs)], mapping.inputs, axes=1)
    right = (mapping.num @ powers)[:, None] * (mapping.recurrent @ x) + drive
    assert np.allclose(left[:, None] * x, right, rtol=1e-9)
