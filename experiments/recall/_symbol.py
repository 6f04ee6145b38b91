"""The task of `why`: remember a symbol despite distractors, then name it."""

import time
import warnings
from typing import NamedTuple

import nengo
import numpy as np

import lmu_nengo
from experiments._lib.keras_models import recurrent_model, train

N_SYMBOLS, N_DISTRACTORS, N_UNITS = 8, 4, 64
SIZE = N_SYMBOLS + N_DISTRACTORS
ORDER, WINDOW, DT = 16, 1.25, 0.001  # LMU: theta = WINDOW delays
N_TRAIN, N_VALIDATION = 500, 100
RATE, BATCH, CLIP, EPOCHS = 3e-3, 20, 1.0, 1000
LEARNED = 99.0  # % of the trials


class Trials(NamedTuple):
    """
    Sequences and their answers.

    Attributes
    ----------
    shown : ndarray of int of shape (n_trials, delay + 1)
        0 is blank, 1 to 8 are symbols (first step only), 9 to 12 are distractors.
    answers : ndarray of int of shape (n_trials,)
        Symbol of the first step, counted from 0.
    """

    shown: np.ndarray
    answers: np.ndarray


def make_trials(n_trials, delay, rng):
    """
    Draw trials.

    Parameters
    ----------
    n_trials : int
        Number of trials.
    delay : int
        Steps after the symbol; a random half of them shows a distractor.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    trials : Trials
        Sequences and answers.
    """
    answers = rng.integers(N_SYMBOLS, size=n_trials)
    shape = n_trials, delay + 1
    shown = rng.integers(N_SYMBOLS + 1, SIZE + 1, size=shape, dtype=np.uint8)
    shown[rng.random(shape, dtype=np.float32) < 0.5] = 0
    shown[:, 0] = answers + 1
    return Trials(shown, answers)


def make_sets(delay, n_tests, seed):
    """Trials for training, validation and testing; the same for every network."""
    rng = np.random.default_rng([seed, delay])
    return [make_trials(n, delay, rng) for n in (N_TRAIN, N_VALIDATION, n_tests)]


def one_hot(shown):
    """One channel for each symbol and distractor: (n_trials, n_steps, 12)."""
    return np.eye(SIZE + 1, dtype=np.float32)[shown][..., 1:]


def in_parts(trials, size=100):
    """Yield the inputs and answers of the trials, a hundred at a time."""
    for i in range(0, len(trials.answers), size):
        yield one_hot(trials.shown[i : i + size]), trials.answers[i : i + size]


def memory_system(delay, window=WINDOW):
    """Discrete state space of a memory whose theta is ``window`` times a delay in steps."""
    system = lmu_nengo.signal.state_space(window * (delay + 1) * DT, ORDER)
    return lmu_nengo.signal.discretize(*system, dt=DT)


def lmu_accuracy(delay, sets, seed, epochs=20):
    """
    Train and test a linear read-out of memories, one for each channel.

    Parameters
    ----------
    delay : int
        Steps.
    sets : list of Trials
        What `make_sets` returned.
    seed : int
        Seed of weights and batches.
    epochs : int
        Passes over the trials.

    Returns
    -------
    accuracy : float
        Percentage of the test trials.
    parameters : int
        Number of trained parameters.
    """
    import tensorflow as tf

    from lmu_nengo.training import Simulator, nengo_dl

    data, _, tests = sets
    n_steps = delay + 1
    lags = lmu_nengo.signal.impulse_response(*memory_system(delay), n_steps)[::-1]
    states = [np.tensordot(x, lags, (1, 0)) for x, _ in in_parts(data)]
    spread = np.concatenate(states).reshape(len(data.answers), -1).std(axis=0)
    n = len(spread)
    with nengo.Network(seed=seed) as network:
        nengo_dl.configure_settings(keep_history=False, trainable=None)
        source = nengo.Node(np.zeros(SIZE), label="shown")
        memory = lmu_nengo.LegendreMemory(
            WINDOW * n_steps * DT,
            ORDER,
            memory_d=SIZE,
            dt=DT,
            realization=lmu_nengo.Windowed(n_steps),
        )
        scaled, answer = nengo.Node(size_in=n), nengo.Node(size_in=N_SYMBOLS)
        nengo.Connection(source, memory.input, synapse=None)
        scale = nengo.Connection(memory.output, scaled, transform=1 / spread, synapse=None)
        nengo.Connection(scaled, answer, transform=np.zeros((N_SYMBOLS, n)), synapse=None)
        probe = nengo.Probe(answer)
    network.config[scale].trainable = False
    with Simulator(network, minibatch_size=50, seed=seed, progress_bar=False) as sim:
        sim.compile(
            tf.optimizers.Adam(0.01),
            loss={probe: tf.losses.SparseCategoricalCrossentropy(from_logits=True)},
        )
        answers = {probe: data.answers[:, None, None]}
        sim.fit(one_hot(data.shown), answers, epochs=epochs, verbose=0)
        right = [
            sim.predict(x, verbose=0)[probe][:, 0].argmax(axis=1) == answers
            for x, answers in in_parts(tests)
        ]
        parameters = sum(int(tf.size(w)) for w in sim.keras_model.trainable_weights)
    return 100 * float(np.mean(np.concatenate(right))), parameters


def hmm_accuracy(sets, seed):
    """
    Classify by one hidden Markov model for each symbol.

    Each has two states (symbol shown; waiting) and is fitted by Baum-Welch to the trials
    with its symbol. The answer is the model with the highest likelihood of the sequence.

    Parameters
    ----------
    sets : list of Trials
        What `make_sets` returned.
    seed : int
        Seed of the initial probabilities.

    Returns
    -------
    accuracy : float
        Percentage of the test trials.
    parameters : int
        Number of probabilities of all models.
    """
    from hmmlearn.hmm import CategoricalHMM

    data, _, tests = sets
    scores, parameters = [], 0
    with warnings.catch_warnings(), np.errstate(divide="ignore"):
        warnings.simplefilter("ignore")  # log(0) for what a model never saw
        for symbol in range(N_SYMBOLS):
            shown = data.shown[data.answers == symbol][:20].astype(int)
            model = CategoricalHMM(2, n_features=SIZE + 1, random_state=seed, n_iter=5)
            model.fit(shown.reshape(-1, 1), [shown.shape[1]] * len(shown))
            scores.append(
                [model.score(each.astype(int).reshape(-1, 1)) for each in tests.shown]
            )
            parts = model.startprob_, model.transmat_, model.emissionprob_
            parameters += sum(part.size for part in parts)
    scores = np.nan_to_num(scores, nan=-np.inf)
    right = np.argmax(scores, axis=0) == tests.answers
    return 100 * float(np.mean(right)), parameters


def make_network(kind, seed):
    """Build a layer of 64 units and a read-out of its last state."""
    from lmu_nengo.training import nengo_dl  # noqa: F401, I001  selects Keras; first
    import tensorflow as tf

    keras = tf.keras
    recurrent = recurrent_model(kind, N_UNITS, SIZE, N_SYMBOLS, last=True, seed=seed)
    unpack = keras.layers.Lambda(
        lambda shown: tf.one_hot(tf.cast(shown, tf.int32) - 1, SIZE)
    )
    model = keras.Sequential(
        [keras.Input((None,), dtype="uint8"), unpack, *recurrent.layers]
    )
    model.compile(
        keras.optimizers.Adam(RATE, clipnorm=CLIP),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        ["accuracy"],
    )
    return model


def train_network(kind, delay, longest, n_tests, seconds, seed, folder, resume, look):
    """
    Train and test a recurrent network.

    Parameters
    ----------
    kind : {"lstm", "gru", "rnn"}
        Type of its layer.
    delay : int
        Delay in steps.
    longest : int
        Delay with which a network is also tested if it has learned its own.
    n_tests : int
        Number of test trials.
    seconds : float
        Maximum CPU time.
    seed : int
        Seed of trials, weights and batches.
    folder : pathlib.Path
        For the checkpoint.
    resume : bool
        Whether to continue from there.
    look : callable
        ``look(kind, weights)`` returns what else is recorded of the trained network.

    Returns
    -------
    result : dict
        ``accuracy`` in %, ``epochs``, ``updates``, ``seconds``, ``parameters``,
        ``looked``, and, if learned, ``at_longest``, the accuracy with the longest delay.
    """
    data, validation, tests = make_sets(delay, n_tests, seed)
    model = make_network(kind, seed)
    history = train(
        model,
        data,
        validation,
        EPOCHS,
        BATCH,
        folder / "checkpoint.npz",
        seconds=seconds,
        clock=time.process_time,
        enough=1.0,
        monitor="val_accuracy",
        mode="max",
        resume=resume,
        seed=seed,
        description=f"{kind}, {delay} steps",
    )

    def test(trials):
        answers = model.predict(trials.shown, batch_size=100, verbose=0).argmax(axis=1)
        return 100 * float(np.mean(answers == trials.answers))

    result = {
        "accuracy": test(tests),
        "epochs": len(history["seconds"]),
        "updates": int(model.optimizer.iterations.numpy()),
        "seconds": round(history["seconds"][-1]),
        "parameters": model.count_params(),
        "looked": look(kind, model.layers[-2].get_weights()),
    }
    if result["accuracy"] >= LEARNED and longest > delay:
        result["at_longest"] = test(make_sets(longest, n_tests, seed)[2])
    return result
