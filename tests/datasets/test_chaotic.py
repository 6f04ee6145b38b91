import numpy as np
import pytest
from nengo.exceptions import ValidationError
from scipy.integrate import solve_ivp

from lmu_nengo.datasets import lorenz, mackey_glass


def test_mackey_glass_obeys_its_equation():
    past = 1.2 + 0.2 * (np.random.RandomState(1).rand(170, 1) - 0.5)
    # while t < tau the past is given: an ordinary differential equation
    solved = solve_ivp(
        lambda t, x: 0.2 * (d := past[min(int(10 * t), 169), 0]) / (1 + d**10) - 0.1 * x,
        (0, 17),
        [1.2],
        max_step=0.05,
        t_eval=np.arange(1.0, 18),
    )
    expected = np.tanh(solved.y[0] - 1)
    ours = mackey_glass(1, 17, seed=1)[0]
    assert np.allclose(ours, expected - expected.mean(), atol=2e-3)


def test_lorenz_turns_around_its_two_fixed_points():
    series = lorenz(2, 1500, seed=0)
    assert series.std(axis=1) == pytest.approx(1)
    lobes = np.sqrt(8 / 3 * 27) / 7.92  # fixed points +-sqrt(beta (rho - 1)); std 7.92
    histogram, edges = np.histogram(series, 60)
    peak = abs(edges[histogram.argmax()])
    assert peak < lobes < abs(series).max()


@pytest.mark.parametrize("make", [lorenz, mackey_glass])
def test_series_follow_their_seed(make):
    first, same, other = (make(1, 50, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, same) and not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("make", "arguments", "attr"),
    [
        (mackey_glass, dict(n_series=0, n_steps=10), "n_series"),
        (mackey_glass, dict(n_series=1, n_steps=10, tau=1.5), "tau"),
        (lorenz, dict(n_series=1, n_steps=2.5), "n_steps"),
        (lorenz, dict(n_series=1, n_steps=10, dt=0), "dt"),
    ],
)
def test_sizes_are_checked(make, arguments, attr):
    with pytest.raises(ValidationError) as caught:
        make(**arguments)
    assert caught.value.attr == attr
