"""The order of the data in training, which is determined by the seed and the epoch."""

import numpy as np
import tensorflow as tf


def fit_in_order(fit, seed, x=None, y=None, batch_size=None, **kwargs):
    """
    Train on arrays in an order that is determined by ``(seed, epoch)`` alone.

    Keras draws a new order in each call, so that interrupted training would resume in
    another order. Everything but shuffled arrays is left to Keras.

    Parameters
    ----------
    fit : callable
        Keras' own ``fit``.
    seed : int
        Seed of the order.
    x, y : dict of {str: ndarray}
        Inputs and targets.
    batch_size : int
        Rows in a batch; must divide the number of rows.
    **kwargs
        As for ``fit``.

    Returns
    -------
    history : tf.keras.callbacks.History
        As returned by ``fit``.
    """
    if not isinstance(x, dict) or kwargs.get("shuffle", True) is not True:
        return fit(x=x, y=y, batch_size=batch_size, **kwargs)
    data = (x, y, kwargs.pop("sample_weight", None))
    while data[-1] is None:
        data = data[:-1]
    n_rows = len(next(iter(x.values())))
    split = kwargs.pop("validation_split", 0)
    if split and kwargs.get("validation_data") is None:
        n_all, n_rows = n_rows, int(n_rows * (1 - split))
        part = slice(n_rows, n_all)
        kwargs["validation_data"] = tf.nest.map_structure(lambda a: a[part], data)
        data = tf.nest.map_structure(lambda a: a[:n_rows], data)
    kwargs.setdefault("validation_batch_size", batch_size)
    steps = kwargs.pop("steps_per_epoch", None) or n_rows // batch_size
    done = kwargs.get("initial_epoch", 0) * steps
    dataset = batches(data, n_rows, batch_size, seed, done)
    return fit(x=dataset, steps_per_epoch=steps, **kwargs)


def batches(data, n_rows, batch_size, seed, done):
    """
    Endless batches; each pass over the data has another order.

    Parameters
    ----------
    data : structure of ndarray
        Arrays of ``n_rows`` rows.
    n_rows : int
        Number of rows.
    batch_size : int
        Rows in a batch.
    seed : int
        Seed of the order.
    done : int
        Batches to skip at the start.

    Returns
    -------
    dataset : tf.data.Dataset
        The batches.
    """
    data = tf.nest.map_structure(to_tensor, data)
    in_a_pass = n_rows // batch_size

    def shuffle(number):
        rows = tf.random.experimental.stateless_shuffle(
            tf.range(n_rows), tf.stack([tf.constant(seed, tf.int64), number])
        )
        rows = tf.reshape(rows[: in_a_pass * batch_size], (in_a_pass, batch_size))
        return tf.data.Dataset.from_tensor_slices(rows)

    def gather(rows):
        return tf.nest.map_structure(lambda x: tf.gather(x, rows), data)

    passes = tf.data.Dataset.range(done // in_a_pass, np.iinfo(np.int64).max)
    rows = passes.flat_map(shuffle).skip(done % in_a_pass)
    dataset = rows.map(gather, num_parallel_calls=tf.data.AUTOTUNE)
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False  # cost more
    # every worker takes its part of each batch, however the data are stored
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    return dataset.with_options(options).prefetch(tf.data.AUTOTUNE)


def to_tensor(x):
    """Convert floating-point numbers to the network's precision, as Keras does."""
    x = tf.convert_to_tensor(x)
    return tf.cast(x, tf.keras.backend.floatx()) if x.dtype.is_floating else x
