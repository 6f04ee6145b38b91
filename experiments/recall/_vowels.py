"""Sound that is made here: three vowels, whose order is the class."""

from itertools import permutations

import numpy as np

RATE = 8000  # samples in a second
N_STEPS = 4000
# first and second formant in Hz: means of 33 men (Peterson and Barney 1952)
FORMANTS = {"a": (730, 1090), "i": (270, 2290), "u": (300, 870)}
CLASSES = tuple(permutations(FORMANTS))
BANDWIDTHS = (80, 120)  # Hz
FADE = 150  # samples in which the sound fades in and out around each border
NOISE = 0.3  # standard deviation, over that of the sound


def make_sounds(n, seed):
    """
    Make sounds of half a second.

    Pulses at the pitch pass two resonances. Pitch, its drift, the length of the vocal
    tract, the ends of the vowels and the noise are random. The sound fades between two
    vowels, as what lies between their formants would tell which are neighbors.

    Parameters
    ----------
    n : int
        Number of sounds.
    seed : int
        Seed of everything random.

    Returns
    -------
    sounds : ndarray of shape (n, N_STEPS)
        Samples with a standard deviation of 1 in each sound.
    labels : ndarray of int of shape (n,)
        Which of `CLASSES`.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(len(CLASSES), size=n)
    ends = N_STEPS * (np.array([1, 2]) + rng.uniform(-0.3, 0.3, (n, 2))) / 3
    vowels = np.array([[FORMANTS[v] for v in order] for order in CLASSES])[labels]
    vowels = vowels * rng.uniform(0.9, 1.1, (n, 1, 1))
    pitch = rng.uniform(90, 200, n)
    drift = pitch * rng.uniform(-0.3, 0.3, n) / N_STEPS
    phase = rng.random(n)
    past = np.zeros((2, 2, n))  # of both resonances, two samples
    sounds = np.empty((n, N_STEPS))
    radius = np.exp(-np.pi * np.array(BANDWIDTHS) / RATE)
    for t in range(N_STEPS):
        formants = vowels[np.arange(n), (t >= ends).sum(axis=1)]
        phase = phase + (pitch + drift * t) / RATE
        x = np.where(phase >= 1, 1.0, 0.0)
        phase -= x
        for k in range(2):
            turn = 2 * radius[k] * np.cos(2 * np.pi * formants[:, k] / RATE)
            gain = 1 - radius[k]
            x = gain * x + turn * past[k, 0] - radius[k] ** 2 * past[k, 1]
            past[k, 1] = past[k, 0]
            past[k, 0] = x
        sounds[:, t] = x * np.clip(np.abs(t - ends) / FADE, 0, 1).prod(axis=1)
    sounds /= sounds.std(axis=1, keepdims=True)
    sounds += NOISE * rng.standard_normal(sounds.shape)
    return sounds / sounds.std(axis=1, keepdims=True), labels
