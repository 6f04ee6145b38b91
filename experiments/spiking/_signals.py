"""Signals that a memory may get: noise, steps, pulses, sines, chaos, a recording."""

import matplotlib.cbook
import nengo
import numpy as np

from lmu_nengo.datasets import mackey_glass

FRACTIONS = (0.25, 0.5, 1.0)  # of the highest frequency that the order holds
LEVELS = (0.03, 0.1, 0.3, 0.6, 1.0)  # rms of noise
CONSTANTS = (0.03, 0.3, 1.0)


def make_signals(theta, order, seconds, dt, seed):
    """
    Make all signals of the grid.

    Parameters
    ----------
    theta : float
        Window of the memory in seconds, which sets the time scale.
    order : int
        Order of the memory, which sets the highest frequency, ``order / (6 theta)``.
    seconds, dt : float
        Length and step.
    seed : int
        Seed of noise, phases and chaos; chooses the channel of the recording.

    Returns
    -------
    signals : dict of {str: ndarray of shape (n_steps,)}
        By name.
    """
    rng = np.random.RandomState(seed)
    high = order / (6 * theta)
    t = dt * np.arange(1, round(seconds / dt) + 1)
    signals = {}
    for fraction in FRACTIONS:
        process = nengo.processes.WhiteSignal(
            seconds, high=max(fraction * high, 1.01 / seconds), rms=1.0, y0=0, seed=seed
        )
        noise = process.run(seconds, dt=dt)[:, 0]
        for level in LEVELS:
            signals[f"noise to {fraction:g} of the band, rms {level:g}"] = level * noise
        signals[f"noise to {fraction:g} of the band, peak 1"] = noise / np.abs(noise).max()
    for value in CONSTANTS:
        signals[f"constant {value:g}"] = np.full(len(t), value)
    signals["step to 0.5"] = 0.5 * (t > (2 + rng.rand()) * theta)
    phase = 4 * theta * rng.rand()
    for level in (0.4, 1.0):
        slow = np.sin(2 * np.pi * (t + phase) / (4 * theta))
        signals[f"square wave of {level:g}"] = level * np.sign(slow)
    signals["pulses of 0.8"] = 0.8 * (((t + phase) / theta) % 3 < 0.2)
    for part, level in ((1.0, 0.5), (1.0, 1.0), (0.3, 1.0)):
        sine = np.sin(2 * np.pi * (part * high * t + rng.rand()))
        signals[f"sine at {part:g} of the band, {level:g}"] = level * sine
    several = sum(
        np.sin(2 * np.pi * (part * high * t + rng.rand()))
        for part in (0.13, 0.31, 0.57, 0.89)
    )
    signals["four sines, peak 1"] = several / np.abs(several).max()
    # its power lies below 0.05 cycles in a unit of time
    units = seconds * high / 0.05
    chaos = mackey_glass(1, int(units) + 2, seed)[0]
    signals["Mackey-Glass, peak 1"] = stretch(chaos, t * high / 0.05)
    signals["recorded EEG, peak 1"] = stretch(recording(seed), t * high / 0.1)
    return signals


def stretch(samples, places):
    """Samples, interpolated at places that begin again after the end; largest is 1."""
    loop = np.append(samples, samples[0])
    values = np.interp(places % len(samples), np.arange(len(loop)), loop)
    return values / np.abs(values).max()


def recording(seed):
    """One of the four channels of the EEG among Matplotlib's sample data, smoothed."""
    with matplotlib.cbook.get_sample_data("eeg.dat") as file:
        data = np.frombuffer(file.read(), dtype=float).reshape(800, 4)
    channel = data[:, seed % 4] - data[:, seed % 4].mean()
    spectrum = np.fft.rfft(channel)
    spectrum[len(channel) // 10 :] = 0  # up to 0.1 cycles in a sample
    return np.fft.irfft(spectrum, len(channel))
