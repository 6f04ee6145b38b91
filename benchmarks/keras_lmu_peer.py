"""What keras-lmu computes and how fast it trains; run by a Python that has it installed.

keras-lmu's license is non-commercial, so it stays in an environment of its own, which
`environment` makes. Its commands exchange numbers through files and pipes::

    PYTHON keras_lmu_peer.py values IN.npz OUT.npz
    PYTHON keras_lmu_peer.py train KIND BATCH STEPS ORDER HIDDEN N_BATCHES JIT
    PYTHON keras_lmu_peer.py predict HIDDEN
    PYTHON keras_lmu_peer.py save FOLDER
"""

import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import numpy as np

REQUIREMENTS = ("keras-lmu==0.9.0", "tensorflow==2.21.0")
KINDS = ("last step", "all steps", "recurrent")


def environment(python=None):
    """
    Return the path of a Python that has keras-lmu; create one if none is given.

    Parameters
    ----------
    python : str, optional
        Path of a Python that has it.

    Returns
    -------
    python : str
        The given path, or that of an environment in the folder for temporary files, which
        is kept for the next time.
    """
    if python:
        return python
    folder = Path(tempfile.gettempdir()) / "lmu_nengo_keras_lmu_0.9.0"
    python = str(folder / "bin" / "python")
    if not (folder / "complete").exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *REQUIREMENTS], check=True)
        (folder / "complete").touch()
    return python


def values(source, target):
    """Outputs, and gradient of their sum weighted by ``direction``, for given weights."""
    import keras
    import keras_lmu
    import tensorflow as tf

    given = np.load(source)
    x, hidden_d = given["x"], len(given["bias"])
    kwargs = dict(
        memory_d=len(given["input_encoders"]),
        order=int(given["order"]),
        theta=float(given["theta_steps"]),
        input_to_hidden=True,
        return_sequences=True,
    )
    if "hidden_kernel" in given:
        layer = keras_lmu.LMU(
            **kwargs,
            hidden_cell=keras.layers.SimpleRNNCell(hidden_d, activation="tanh"),
            hidden_to_memory=True,
            memory_to_memory=True,
        )
    else:
        layer = keras_lmu.LMUFeedforward(
            **kwargs, hidden_cell=keras.layers.Dense(hidden_d, activation="relu")
        )
    layer.build(x.shape)
    layer(x)
    cell = layer.layer.cell if "hidden_kernel" in given else layer
    hidden = cell.hidden_cell
    # each of keras-lmu's weights, and the paper's paths that it contains, row by row
    places = [
        (cell.kernel, ("input_encoders", "hidden_encoders")),
        (hidden.kernel, ("memory_kernel", "input_kernel")),
    ]
    if "hidden_kernel" in given:
        places.append((cell.recurrent_kernel, ("memory_encoders",)))
        places.append((hidden.recurrent_kernel, ("hidden_kernel",)))
    for variable, names in places:
        variable.assign(np.concatenate([given[n].T for n in names if n in given]))
    hidden.bias.assign(given["bias"])
    variables = [variable.value for variable, _ in places] + [hidden.bias.value]
    with tf.GradientTape() as tape:
        y = layer(x)
        total = tf.reduce_sum(y * given["direction"])
    *gradients, d_bias = tape.gradient(total, variables)
    result = {"output": y, "bias": d_bias}
    for (_, names), gradient in zip(places, gradients, strict=True):
        start = 0
        for name in (n for n in names if n in given):
            rows = given[name].shape[1]
            result[name] = gradient[start : start + rows].numpy().T
            start += rows
    np.savez(target, **result)


def train(kind, batch, steps, order, hidden, n_batches, jit):
    """Train on random digits; for each line of input print milliseconds per digit."""
    import keras
    import keras_lmu

    batch, steps, order = int(batch), int(steps), int(order)
    hidden, n_batches, jit = int(hidden), int(n_batches), bool(int(jit))
    sequences = kind == "all steps"
    if kind == "recurrent":
        layer = keras_lmu.LMU(
            1,
            order,
            steps,
            keras.layers.SimpleRNNCell(hidden),
            hidden_to_memory=True,
            memory_to_memory=True,
            input_to_hidden=True,
        )
    else:
        layer = keras_lmu.LMUFeedforward(
            1,
            order,
            steps,
            keras.layers.Dense(hidden, activation="relu"),
            return_sequences=sequences,
        )
    rng = np.random.RandomState(0)
    x = rng.rand(n_batches * batch, steps, 1).astype(np.float32)
    y = rng.randint(10, size=(len(x), steps, 1) if sequences else (len(x), 1))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = keras.Sequential(
        [keras.layers.Input((steps, 1), batch), layer, keras.layers.Dense(10)]
    )
    model.compile("adam", loss=loss, jit_compile=jit)
    model.fit(x[:batch], y[:batch], batch_size=batch, verbose=0)
    print(f"ready, jit_compile={jit}", flush=True)
    clock = clock_of(keras)
    for _ in sys.stdin:
        model.fit(x, y, batch_size=batch, verbose=0, callbacks=[clock])
        print(clock.milliseconds(batch), flush=True)


def predict(hidden):
    """Predict sample by sample; a line of input is the way and the number of steps."""
    import json

    import keras
    import keras_lmu

    order, window = 32, 100
    cell = keras.layers.SimpleRNNCell(int(hidden))
    layer = keras_lmu.LMU(1, order, window, cell)
    model = keras.Sequential(
        [keras.layers.Input((window, 1)), layer, keras.layers.Dense(10)]
    )
    x = np.zeros((1, window, 1), np.float32)

    def by_predict():
        return model.predict(x, verbose=0)

    def by_call():
        return np.asarray(model(x, training=False))

    ways = {"predict": by_predict, "call": by_call}
    for way in ways.values():
        way()
    print("ready", flush=True)
    for line in sys.stdin:
        way, n_steps = json.loads(line)
        for i in range(n_steps):
            x = np.roll(x, -1, axis=1)  # the newest sample at the end
            x[0, -1] = i % 2
            ways[way]()
        print("done", flush=True)


def save(folder):
    """Save models with drawn weights, their settings, inputs and outputs in a folder."""
    import json

    import keras
    import keras_lmu

    def recurrent(units, activation="tanh"):
        return keras.layers.SimpleRNNCell(units, activation=activation)

    def dense(units, activation=None):
        return keras.layers.Dense(units, activation=activation)

    paths = dict(hidden_to_memory=True, memory_to_memory=True, input_to_hidden=True)
    lmu, feedforward = keras_lmu.LMU, keras_lmu.LMUFeedforward
    # channels of the input, sequences or the last step, layers
    models = {
        "lmu_1": (1, False, [lmu(1, 8, 20, recurrent(6), **paths), dense(3, "softmax")]),
        "lmu_12": (
            12,
            True,
            [
                lmu(
                    3, 8, 25.5, recurrent(6), **paths, return_sequences=True, use_bias=True
                ),
                dense(3),
            ],
        ),
        "feedforward_1": (1, True, [feedforward(1, 6, 15, dense(5, "relu")), dense(2)]),
        "feedforward_12": (
            12,
            False,
            [
                feedforward(12, 4, 12, dense(9, "sigmoid"), input_to_hidden=True),
                keras.layers.Dropout(0.3),
                dense(4, "tanh"),
            ],
        ),
        "two": (
            2,
            True,
            [
                dense(3, "relu"),
                lmu(2, 4, 9, recurrent(5, "linear"), **paths, return_sequences=True),
                lmu(1, 5, 12, None, memory_to_memory=True, return_sequences=True),
            ],
        ),
        "cell": (
            12,
            True,
            [
                keras.layers.RNN(
                    keras_lmu.LMUCell(
                        2, 6, 20, recurrent(4), hidden_to_memory=True, trainable_theta=True
                    ),
                    return_sequences=True,
                )
            ],
        ),
        "euler": (1, False, [feedforward(1, 3, 30, dense(4), discretizer="euler")]),
    }
    rng = np.random.RandomState(0)
    for name, (size, sequences, layers) in models.items():
        x = rng.randn(4, 31, size).astype(np.float32)
        if name.startswith("feedforward"):
            layers[0].return_sequences = sequences
        model = keras.Sequential([keras.layers.Input(x.shape[1:]), *layers])
        for w in model.weights:
            scale = 0.02 if "recurrent" in w.path else 0.3
            if "theta_inv" not in w.path:
                w.assign(scale * rng.randn(*w.shape))
        np.savez(f"{folder}/{name}.npz", x=x, y=model.predict(x, verbose=0))
        model.save(f"{folder}/{name}.keras")
        model.save(f"{folder}/{name}.h5")
        model.save_weights(f"{folder}/{name}.weights.h5")
        with open(f"{folder}/{name}.json", "w") as file:
            json.dump(model.get_config(), file)


def clock_of(keras):
    """
    Create a callback that times batches.

    Parameters
    ----------
    keras : module
        Keras, or tf_keras.

    Returns
    -------
    clock : keras.callbacks.Callback
        ``clock.milliseconds(batch)`` is the median time per digit in the last call,
        without its first batch.
    """

    class Clock(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.times = []

        def on_train_batch_end(self, batch, logs=None):
            self.times.append(time.perf_counter())

        def milliseconds(self, batch):
            return 1000 * float(np.median(np.diff(self.times))) / batch

    return Clock()


if __name__ == "__main__":
    commands = {"values": values, "train": train, "predict": predict, "save": save}
    commands[sys.argv[1]](*sys.argv[2:])
