import numpy as np
import pytest

from experiments.psmnist._distortion import BEND, SHIFT, distort, interpolate
from experiments.psmnist._training import push_inputs


def test_interpolation_is_bilinear_and_black_outside():
    rng = np.random.default_rng(0)
    image = rng.random((1, 64))
    rows, columns = np.divmod(np.arange(64), 8)

    def shifted(down, across):
        places = np.stack([rows + down, columns + across]).astype(float)[None]
        return interpolate(image, places).reshape(8, 8)

    square = image.reshape(8, 8)
    assert np.array_equal(shifted(0, 0), square)
    assert np.array_equal(shifted(2, -3)[:6, 3:], square[2:, :5])
    assert not shifted(2, -3)[6:].any() and not shifted(2, -3)[:, :3].any()
    between = 0.75 * square[:-1] + 0.25 * square[1:]
    assert np.allclose(shifted(0.25, 0)[:-1], between)
    assert not shifted(100, 0).any() and not shifted(0, -100).any()


def test_distorted_images_keep_their_sum_and_follow_the_seed():
    side, n = 28, 2000
    offset = np.arange(side) - (side - 1) / 2
    blob = np.exp(-0.5 * (offset[:, None] ** 2 + offset**2) / 4**2).ravel()
    images = np.tile(blob.astype(np.float32), (n, 1))
    first, same, other = (distort(images, np.random.default_rng(s)) for s in (1, 1, 2))
    assert np.array_equal(first, same) and not np.array_equal(first, other)
    assert first.dtype == np.float32 and first.min() >= 0 and first.max() <= 1
    # factors along the axes have a geometric mean of 1
    assert np.median(first.sum(axis=1)) == pytest.approx(blob.sum(), rel=0.02)
    # the center of mass moves by shift and bend: shift^2 / 3 + some of bend^2
    weights = first / first.sum(axis=1, keepdims=True)
    rows = weights @ np.repeat(offset, side)
    low = SHIFT**2 / 3
    assert abs(rows.mean()) < 0.1 and low < rows.var() < low + BEND**2


def test_inputs_are_moved_along_the_gradient_of_the_loss():
    import tensorflow as tf

    from lmu_nengo.training import nengo_dl  # noqa: F401  selects Keras

    rng = np.random.RandomState(0)
    n, n_steps, distance = 8, 5, 0.3
    x, weights = rng.randn(n, n_steps, 1), rng.randn(n_steps, 10)
    y = rng.randint(10, size=(n, 1, 1))

    def losses(x):
        z = x[:, :, 0] @ weights
        z -= np.log(np.exp(z).sum(axis=1, keepdims=True))
        return -z[np.arange(n), y[:, 0, 0]], np.exp(z)

    source = tf.keras.Input((n_steps, 1), batch_size=n, name="pixel")
    steps = tf.keras.Input((1,), batch_size=n, name="n_steps")
    rows = tf.reshape(source, (n, 1, n_steps))
    output = tf.keras.layers.Dense(10, use_bias=False, name="output")(rows)
    model = tf.keras.Model([source, steps], [output, steps])
    loss = tf.losses.SparseCategoricalCrossentropy(from_logits=True)
    push_inputs(model, "pixel", loss, distance)
    model.compile(tf.optimizers.SGD(0.0), loss={"output": loss})
    model.get_layer("output").set_weights([weights])
    inputs = {"pixel": x, "n_steps": np.full((n, 1), n_steps)}
    history = model.fit(inputs, {"output": y}, batch_size=n, shuffle=False, verbose=0)

    gradient = (losses(x)[1] - np.eye(10)[y[:, 0, 0]]) @ weights.T
    gradient /= np.linalg.norm(gradient, axis=1, keepdims=True)
    gradient[::2] = 0  # every other row
    expected = losses(x + distance * gradient[:, :, None])[0].mean()
    assert expected > losses(x)[0].mean() + 0.1
    assert history.history["loss"][0] == pytest.approx(expected, rel=1e-5)
