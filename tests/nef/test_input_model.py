import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo.nef import Band, InputModel, Recording, choose_coordinates, largest_response
from lmu_nengo.signal import (
    discretize,
    impulse_response,
    simulate,
    state_space,
    window_energy,
)

DT = 0.001


def system(theta, order):
    return discretize(*state_space(theta, order), DT)


def noise(seconds, high, seed):
    process = nengo.processes.WhiteSignal(seconds, high=high, rms=0.3, y0=0, seed=seed)
    return process.run(seconds, d=1, dt=DT)


@pytest.mark.parametrize("theta, order", [(0.1, 3), (1.0, 6), (0.5, 12), (1.0, 27)])
def test_no_signal_of_the_band_leaves_the_range(theta, order):
    Ad, Bd = system(theta, order)
    high = order / (6 * theta)
    model = InputModel(None, theta, Ad, Bd, DT)
    state = choose_coordinates("balanced", model, window_energy(Ad), Ad, Bd)
    assert state.state_d == order
    t = DT * np.arange(1, round(8 * theta / DT) + 1)[:, None]
    signals = [np.sin(2 * np.pi * part * high * t + 1) for part in (0.1, 0.5, 1.0)]
    for seed in range(100, 105):
        u = noise(20 * theta, high, seed)
        signals.append(u / np.abs(u).max())
    signals.append(np.ones_like(t))
    largest = [np.abs(simulate(Ad, Bd, u) @ state.inverse.T).max() for u in signals]
    assert max(largest) <= 1
    # the bound is no excuse for ranges that are never used
    assert max(largest) > 0.6


def test_without_a_filter_the_bound_is_the_sum_of_magnitudes_and_is_reached():
    # Desoer and Vidyasagar 1975; the worst input is the sign of the reversed response
    theta, order = 0.1, 4
    Ad, Bd = system(theta, order)
    bound = largest_response(Ad, Bd, np.eye(order), 0.5 / DT, theta, DT)
    response = impulse_response(Ad, Bd, round(8 * theta / DT))
    for i in range(order):
        worst = np.sign(response[::-1, i])[:, None]
        assert simulate(Ad, Bd, worst)[-1, i] == pytest.approx(bound[i], rel=1e-9)


def test_the_bound_grows_with_the_radius():
    Ad, Bd = system(1.0, 6)
    one, ten = (InputModel(None, 1.0, Ad, Bd, DT, radius=r) for r in (1.0, 10.0))
    assert np.allclose(ten.largest(np.eye(6)), 10 * one.largest(np.eye(6)), rtol=1e-12)


def test_sequences_of_a_recording_start_with_an_empty_memory():
    Ad, Bd = system(0.1, 3)
    data = np.random.RandomState(100).randn(12, 200, 1)
    model = InputModel(data, 0.1, Ad, Bd, DT)
    wanted = np.concatenate([simulate(Ad, Bd, sequence) for sequence in data])
    assert np.allclose(model.m, wanted, rtol=0, atol=1e-12)
    assert np.array_equal(model.u, data.reshape(-1, 1))


def test_ranges_of_a_recording_hold_for_more_of_the_same():
    Ad, Bd = system(1.0, 6)
    model = InputModel(noise(20.0, 1.0, 1000), 1.0, Ad, Bd, DT)
    ranges = model.largest(np.eye(6))
    for seed in range(100, 110):
        m = simulate(Ad, Bd, noise(20.0, 1.0, seed))
        assert (np.abs(m).max(axis=0) < 1.2 * ranges).all()


def test_recordings_are_kept_within_limits_and_cannot_be_changed():
    data = np.arange(3.0)[:, None, None] * np.ones((3, 150_000, 2)) + 1
    recording = Recording(data)
    assert recording.data.shape == (2, 150_000, 2)
    assert set(recording.data.ravel()) == {1.0, 3.0}
    with pytest.raises(ValueError, match="read-only"):
        recording.data[0, 0, 0] = 0
    assert Recording(np.ones((500_000, 1))).data.shape == (1, 400_000, 1)


@pytest.mark.parametrize(
    "data, message",
    [
        (np.zeros((10, 1)), "must not be all zero"),
        (np.full((10, 1), np.nan), "must be finite"),
        (np.ones(10), r"shape \(10,\)"),
        (np.ones((0, 10, 1)), "got an array of shape"),
        ([["a"]], "must be finite numbers, at least one, got"),
        (np.ones((10, 2)), "size 1 for one channel"),
    ],
)
def test_bad_recordings_are_refused(data, message):
    with pytest.raises(ValidationError, match=message):
        InputModel(data, 0.1, *system(0.1, 3), DT)


def test_an_expected_band_is_no_signal_that_experiments_use():
    u = Band(1.0, 0.3).process(20.0, DT).run(20.0, dt=DT)
    for seed in range(20):
        other = noise(20.0, 1.0, seed)
        assert abs(np.corrcoef(u[:, 0], other[:, 0])[0, 1]) < 0.7
