"""Fixed linear maps of a sequence, and the layers that are trained on what they give."""

import numpy as np
import pytest

from experiments.psmnist import _maps, _perceptron, _training
from lmu_nengo import LegendreMemory, Windowed, realize
from lmu_nengo.signal import simulate

RNG = np.random.default_rng(0)
X = RNG.standard_normal((5, 50))


def test_delay_line_holds_the_last_steps():
    assert np.array_equal(X @ _maps.delay_line(50, 7), X[:, -7:])


def test_legendre_map_is_the_state_of_a_memory_after_the_last_step():
    Ad, Bd = LegendreMemory(theta=0.05, order=6, dt=0.001).discrete()
    states = np.array([simulate(Ad, Bd, x[:, None])[-1] for x in X])
    columns = _maps.legendre(50, 6)
    scale = np.sqrt(50 / (2 * np.arange(6) + 1))
    assert X @ columns == pytest.approx(states * scale)
    # variances of white noise; the edge of the window is not sharp
    norms = np.linalg.norm(_maps.legendre(784, 16), axis=0)
    assert norms[:8] == pytest.approx(1, abs=0.1) and 0.5 < norms[-1] < 0.6


def test_cosine_map_is_the_textbook_formula():
    t, k = np.arange(50)[:, None], np.arange(8)
    expected = np.sqrt(2 / 50) * np.cos(np.pi * (2 * t + 1) * k / 100)
    expected[:, 0] /= np.sqrt(2)
    assert _maps.cosine(50, 8) == pytest.approx(expected)


def test_random_and_principal_columns_are_orthonormal_and_the_largest_comes_first():
    x = RNG.standard_normal((400, 12)) * np.linspace(3, 0.1, 12)
    axes = _maps.principal(x)
    variances = np.linalg.eigvalsh(np.cov(x, rowvar=False))[::-1]
    assert np.var(x @ axes, axis=0, ddof=1) == pytest.approx(variances)
    for columns in (axes, _maps.random_projection(50, 9, seed=3)):
        assert columns.T @ columns == pytest.approx(np.eye(columns.shape[1]), abs=1e-9)
    same, other = (_maps.random_projection(50, 9, seed) for seed in (3, 4))
    assert np.array_equal(columns, same) and not np.allclose(columns, other)


def test_layers_on_the_map_are_the_windowed_network():
    pytest.importorskip("optax")
    from lmu_nengo.training import Trainer

    preset = _training.SMALL_DIGITS._replace(order=8, hidden=(12, 6), dropout=(0, 0, 0))
    classifier = _training.build(50, preset, seed=4)
    realize(classifier.network, Windowed(50))
    trainer = Trainer(classifier.network, minibatch_size=5, progress_bar=False)
    found = trainer.predict({classifier.pixel: X[..., None]})[classifier.output][:, -1]
    weights = _perceptron.initial((8, 12, 6, 10), seed=4)
    outputs = _perceptron.forward(weights, (X @ _maps.legendre(50, 8)).astype(np.float32))
    assert np.asarray(outputs) == pytest.approx(found, abs=1e-5)


def test_training_finds_a_boundary_and_keeps_the_best_epoch():
    pytest.importorskip("optax")
    x = RNG.standard_normal((600, 4)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    preset = _training.SMALL_DIGITS._replace(
        hidden=(32,), dropout=(0, 0), push=0.05, batch=50, epochs=20, rate=2e-2
    )
    held_out = x[500:], y[500:]
    trained = _perceptron.train((x[:500], y[:500]), held_out, np.eye(4), preset, seed=0)
    right = _perceptron.accuracy(trained.outputs(held_out[0]), held_out[1])
    assert right == max(trained.validation) > 90


def test_push_moves_along_the_gradient_by_its_length_in_pixels():
    """The move of the coefficients is that of the shortest move of the pixels."""
    columns = _maps.legendre(50, 6)
    move = RNG.standard_normal(6) @ columns.T @ columns
    # the shortest change of pixels that moves the coefficients so
    pixels = np.linalg.lstsq(columns.T, move, rcond=None)[0]
    gradient = np.linalg.solve(columns.T @ columns, move)
    assert np.linalg.norm(pixels) == pytest.approx(np.sqrt(gradient @ move))
