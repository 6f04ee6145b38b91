"""Images of digits: randomly rotated, stretched, slanted, shifted and bent."""

import numpy as np

ANGLE = 10  # degrees, in both directions
STRETCH = 0.1  # logarithm of the factor along each axis
SLANT = 0.1  # columns per row
SHIFT = 1.0  # pixels at 28 x 28
BEND = 0.7  # pixels at 28 x 28, root mean square
BEND_POINTS = 6  # along each axis; their random shifts are interpolated smoothly
CHUNK = 500  # images at a time


def distort(images, rng):
    """
    Distort each image at random.

    Parameters
    ----------
    images : ndarray of shape (n_images, side * side)
        Gray values, row by row; outside is black.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    distorted : ndarray of shape (n_images, side * side)
        Distorted images, interpolated bilinearly.
    """
    side = round(np.sqrt(images.shape[1]))
    blend = BEND * blending(side, BEND_POINTS).astype(np.float32)
    center, unit = np.float32(side - 1) / 2, np.float32(side) / 28
    grid = np.stack(np.divmod(np.arange(side**2), side)).astype(np.float32) - center
    distorted = np.empty_like(images)
    for start in range(0, len(images), CHUNK):
        part = images[start : start + CHUNK]
        n = len(part)
        bend = rng.standard_normal((n, 2, len(blend)), np.float32) @ blend
        shift = rng.uniform(-SHIFT, SHIFT, (n, 2, 1)).astype(np.float32)
        places = affine(n, rng) @ grid + center + unit * (shift + bend)
        distorted[start : start + CHUNK] = interpolate(part, places)
    return distorted


def affine(n, rng):
    """Random matrices that rotate, stretch and slant; shape (n, 2, 2)."""
    angle = np.deg2rad(rng.uniform(-ANGLE, ANGLE, n))
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], 1)
    down, across = np.exp(rng.uniform(-STRETCH, STRETCH, (2, n)))
    slant = rng.uniform(-SLANT, SLANT, n)
    zero = np.zeros(n)
    shape = np.stack([np.stack([down, zero], -1), np.stack([slant, across], -1)], 1)
    return (turn @ shape).astype(np.float32)


def blending(side, n_points):
    """Smooth weights of points on a lattice, shape (points, pixels); mean square 1."""
    points = np.linspace(0, side - 1, n_points)
    width = 0.6 * (points[1] - points[0])
    near = np.exp(-0.5 * ((np.arange(side) - points[:, None]) / width) ** 2)
    blend = np.einsum("ai,bj->abij", near, near).reshape(n_points**2, side**2)
    return blend / np.sqrt(np.mean(np.sum(blend**2, axis=0)))


def interpolate(images, places):
    """
    Interpolate gray values between pixels.

    Parameters
    ----------
    images : ndarray of shape (n_images, side * side)
        Images; black outside.
    places : ndarray of shape (n_images, 2, n_places)
        Row and column of each place.

    Returns
    -------
    values : ndarray of shape (n_images, n_places)
        Interpolated gray values.
    """
    n, side = len(images), round(np.sqrt(images.shape[1]))
    wide = side + 3  # one black row and column before, two after
    padded = np.zeros((n, wide, wide), images.dtype)
    padded[:, 1:-2, 1:-2] = images.reshape(n, side, side)
    places = np.clip(places + 1, 0, side + 1)
    whole = places.astype(np.int32)
    down, across = np.moveaxis(places - whole, 1, 0)
    corner = whole[:, 0] * wide + whole[:, 1]
    corner += wide**2 * np.arange(n, dtype=np.int32)[:, None]
    padded = padded.ravel()
    upper, lower = (
        (1 - across) * padded[at] + across * padded[at + 1]
        for at in (corner, corner + wide)
    )
    return (1 - down) * upper + down * lower
