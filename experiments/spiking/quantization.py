"""How many bits a memory needs: accuracy by the precision of weights and state.

Emulated in NumPy: weights are rounded to a number of bits, including the sign, with one
scale for each matrix; the state is rounded in every step. Delay: a memory of order 4 delays
noise of 2 Hz by 0.2 s (NRMSE, mean of five seeds), once with a state matrix that is applied
in each step ("direct"), once with the matrix mapped onto a synapse of 50 ms, whose own
decay is exact ("synapse"). Digits: the rate network of the psmnist experiment, with memory
and weights rounded. Where nengo-loihi is installed, the same memory with 800 spiking
neurons runs on its emulator, which has 8 bits for each weight.
"""

from typing import NamedTuple

import click
import nengo
import numpy as np
from rich.progress import track

import lmu_nengo
from experiments._lib.command_line import (
    console,
    need_nengo_dl,
    plain_errors,
    resume_option,
    shared_options,
)
from experiments._lib.results import report, save_figure
from experiments.psmnist._data import data_options, load_digits, split
from experiments.psmnist._network import accuracy
from experiments.psmnist._training import PRESETS, SMALL_DIGITS, build, train
from experiments.spiking._delays import late
from experiments.spiking.backends import SETTLED, TASK, run_on
from lmu_nengo import targets

WEIGHT_BITS = (3, 4, 5, 6, 8, 10, 12, 16)
STATE_BITS = (4, 6, 8, 10, 12, 16, 20, 24)
SYNAPSE = 0.05
N_DIGITS = 1000
EPOCHS = 10  # for MNIST; enough to see what bits cost


def to_bits(values, bits, scale=None):
    """
    Round to signed numbers with a number of bits.

    Parameters
    ----------
    values : ndarray
        Numbers.
    bits : int or None
        Bits, including the sign; ``None`` rounds nothing.
    scale : float or ndarray, optional
        Value of the largest integer; larger magnitudes are clipped. ``None`` is the
        largest magnitude.

    Returns
    -------
    rounded : ndarray
        Of the same shape.
    """
    if bits is None:
        return values
    scale = np.abs(values).max() if scale is None else scale
    top = 2 ** (bits - 1) - 1
    return np.clip(np.round(values / scale * top), -top, top) * (scale / top)


class FixedPoint(NamedTuple):
    """
    A memory with rounded weights and a rounded state.

    Attributes
    ----------
    decay : float
        Share of the state that remains by itself, exactly.
    A, B : ndarray of shapes (order, order) and (order, 1)
        In each step, ``gain (A x + B u)`` is added to what remains.
    gain : float
        See above.
    scale : ndarray of shape (order,)
        Range of each coefficient.
    state_bits : int or None
        Bits of each coefficient; ``None`` rounds nothing.
    """

    decay: float
    A: np.ndarray
    B: np.ndarray
    gain: float
    scale: np.ndarray
    state_bits: int | None

    @classmethod
    def of(cls, Ad, Bd, scale, weight_bits=None, state_bits=None, decay=0.0):
        """
        Round the matrices of a memory.

        Parameters
        ----------
        Ad, Bd : ndarray of shapes (order, order) and (order, 1)
            Discrete state space.
        scale : ndarray of shape (order,)
            Range of each coefficient; the matrices are rounded in these units.
        weight_bits, state_bits : int, optional
            ``None`` rounds nothing.
        decay : float
            Decay per step of a synapse onto which the memory is mapped; 0 for none.

        Returns
        -------
        memory : FixedPoint
            The rounded memory; its state is in units of ``scale``.
        """
        gain = 1 - decay
        A = (Ad * scale / scale[:, None] - decay * np.eye(len(Ad))) / gain
        B = Bd / scale[:, None] / gain
        A, B = to_bits(A, weight_bits), to_bits(B, weight_bits)
        return cls(decay, A, B, gain, scale, state_bits)

    def run(self, u, every=False):
        """
        Run from an empty memory.

        Parameters
        ----------
        u : ndarray of shape (n_sequences, n_steps)
            Inputs.
        every : bool
            Return the coefficients of every step instead of the last one.

        Returns
        -------
        m : ndarray of shape (n_sequences, order) or (n_steps, n_sequences, order)
            Legendre coefficients.
        """
        x = np.zeros((len(u), len(self.A)), u.dtype)
        # float32 has 24 bits; the caller passes float64 for more
        A, B = (matrix.astype(u.dtype) for matrix in (self.A.T, self.B.T))
        states = []
        for now in u.T:
            x = self.decay * x + self.gain * (x @ A + now[:, None] * B)
            x = to_bits(x, self.state_bits, 1.0)
            if every:
                states.append(x)
        return np.array(states if every else x) * self.scale


def delay_errors(seeds, weight_bits, state_bits):
    """
    NRMSE of a delay by the whole window.

    Parameters
    ----------
    seeds : iterable of int
        Seeds of the signals.
    weight_bits, state_bits : int or None
        ``None`` rounds nothing.

    Returns
    -------
    errors : tuple of (float, float)
        Mean errors with the matrix applied directly, and mapped onto a synapse.
    """
    theta, order, dt, seconds = (TASK[name] for name in ("theta", "order", "dt", "seconds"))
    u = []
    for seed in seeds:
        signal = nengo.processes.WhiteSignal(
            seconds, high=TASK["high"], rms=TASK["rms"], y0=0, seed=seed
        )
        u.append(signal.run(seconds, dt=dt)[:, 0])
    u = np.array(u)
    Ad, Bd = lmu_nengo.signal.discretize(*lmu_nengo.signal.state_space(theta, order), dt)
    scale = np.full(order, 1.5)  # magnitudes reach 1.3 at this level
    lowpass = nengo.Lowpass(TASK["filter_s"])
    target = late(u.T, theta, dt)
    decoders = lmu_nengo.delay_decoders(order, 1.0)
    errors = []
    for decay in (0.0, np.exp(-dt / SYNAPSE)):
        memory = FixedPoint.of(Ad, Bd, scale, weight_bits, state_bits, decay)
        with np.errstate(all="ignore"):  # a matrix rounded too far may be unstable
            delayed = memory.run(u, every=True) @ np.ravel(decoders)
            output, wanted = (lowpass.filt(v, dt=dt, y0=0) for v in (delayed, target))
            each = [
                lmu_nengo.signal.nrmse(output[SETTLED:, [i]], wanted[SETTLED:, [i]])
                for i in range(len(u))
            ]
        errors.append(float(np.nan_to_num(np.mean(each), nan=np.inf)))
    return tuple(errors)


class Digits(NamedTuple):
    """
    The arrays of a trained rate network, and test digits.

    Attributes
    ----------
    memory : tuple of (ndarray, ndarray)
        Discrete state space.
    weights, biases : list of ndarray
        By layer; the first weights apply to the normalized memory.
    normalize : ndarray of shape (order,)
        Factors that normalize the memory's coefficients.
    u : ndarray of shape (n_digits, n_steps)
        Sequences.
    y : ndarray of shape (n_digits,)
        Labels.
    """

    memory: tuple
    weights: list
    biases: list
    normalize: np.ndarray
    u: np.ndarray
    y: np.ndarray

    def accuracy(self, weight_bits=None, state_bits=None):
        """
        Test accuracy of the rounded network.

        Parameters
        ----------
        weight_bits, state_bits : int, optional
            ``None`` rounds nothing.

        Returns
        -------
        accuracy : float
            In %.
        """
        scale = 4 / self.normalize  # four standard deviations of white noise
        memory = FixedPoint.of(*self.memory, scale, weight_bits, state_bits)
        with np.errstate(all="ignore"):  # a matrix rounded too far may be unstable
            layer = np.nan_to_num(memory.run(self.u) * self.normalize)
        for weights, bias in zip(self.weights, self.biases, strict=True):
            values = layer @ to_bits(weights, weight_bits).T + bias
            layer = np.maximum(values, 0)
        return accuracy(values, self.y)


def train_digits(digits, quick, seed, out, resume):
    """
    Train the rate network of the psmnist experiment, or continue its training.

    Parameters
    ----------
    digits : lmu_nengo.datasets.Digits
        MNIST, or the 8x8 digits.
    quick : bool
        Whether to train and test only briefly.
    seed : int
        Seed of everything, including the permutation.
    out : pathlib.Path
        Folder for the checkpoint.
    resume : bool
        Whether to continue from a checkpoint.

    Returns
    -------
    trained : Digits
        The network's arrays, and the test digits.
    """
    if digits.name == "MNIST":
        setting = PRESETS["small"]._replace(epochs=1 if quick else EPOCHS)
    else:
        setting = SMALL_DIGITS._replace(epochs=20 if quick else SMALL_DIGITS.epochs)
    n_steps = digits.x_train.shape[1]
    order = np.random.RandomState(seed).permutation(n_steps)
    used, held_out = split(len(digits.x_train), setting.n_validation, seed)
    classifier = build(n_steps, setting, seed)
    train(
        classifier,
        setting,
        digits.x_train[used],
        digits.y_train[used],
        order,
        validation=(digits.x_train[held_out], digits.y_train[held_out]),
        seed=seed,
        checkpoint=out / "quantization-checkpoint.npz",
        resume=resume,
    )
    hidden, memory = classifier.hidden, classifier.memory
    dense = [
        c for c in classifier.network.connections if isinstance(c.transform, nengo.Dense)
    ]
    into = {conn.post_obj: conn.transform.init for conn in dense}
    biases = [ens.bias for ens in hidden]
    return Digits(
        memory.discrete(),
        [*(into[ens.neurons] for ens in hidden), into[classifier.output.target]],
        [*biases, np.zeros(10)],
        classifier.normalize.transform.init,
        digits.x_test[: 200 if quick else N_DIGITS, order],
        digits.y_test[: 200 if quick else N_DIGITS],
    )


def loihi_error(seeds):
    """Mean NRMSE of the same delay with 800 spiking neurons on the Loihi emulator."""
    return float(np.mean([run_on("loihi", seed, TASK)[0]["nrmse"] for seed in seeds]))


def draw(figures, name, path):
    """Draw error and accuracy by number of bits."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    lines = [
        ("direct_weight", WEIGHT_BITS, "weights, direct", "o-", "tab:blue"),
        ("synapse_weight", WEIGHT_BITS, "weights, through a synapse", "o-", "tab:orange"),
        ("state", STATE_BITS, "state", "s--", "tab:green"),
    ]
    for what, bits, label, style, color in lines:
        errors = [figures[f"nrmse_{what}_{n}"] for n in bits]
        left.plot(bits, errors, style, color=color, ms=4, label=label)
    for what, bits, style, color in (
        ("weight", WEIGHT_BITS, "o-", "tab:blue"),
        ("state", STATE_BITS, "s--", "tab:green"),
    ):
        values = [figures[f"accuracy_{what}_{n}"] for n in bits]
        right.plot(bits, values, style, color=color, ms=4, label=what)
    left.axhline(figures["nrmse_exact"], color="black", lw=0.8, label="exact")
    if "nrmse_loihi" in figures:
        error = figures["nrmse_loihi"]
        left.plot([8], [error], "*", color="tab:red", ms=10, label="Loihi emulator")
    left.set(yscale="log", ylim=(1e-3, 3), xlabel="bits", ylabel="NRMSE")
    left.set_title("delay of 0.2 s, 2 Hz, order 4")
    left.legend(frameon=False, fontsize="small")
    right.axhline(figures["accuracy_exact"], color="black", lw=0.8, label="exact")
    right.set(xlabel="bits", ylabel="test accuracy (%)", title=f"permuted {name}")
    right.legend(frameon=False)
    save_figure(figure, path)


@click.command(help=__doc__)
@data_options
@resume_option
@shared_options
def main(data, download, resume, quick, seed, out):
    """Run the experiment."""
    need_nengo_dl()
    digits = load_digits(data, download)
    out.mkdir(parents=True, exist_ok=True)
    with plain_errors():
        trained = train_digits(digits, quick, seed, out, resume)
    seeds = range(seed, seed + (2 if quick else 5))
    figures = {
        "nrmse_exact": delay_errors(seeds, None, None)[0],
        "accuracy_exact": trained.accuracy(),
    }
    cases = [("weight", n) for n in WEIGHT_BITS] + [("state", n) for n in STATE_BITS]
    for what, bits in track(cases, "rounding", console=console):
        rounded = {"weight_bits": None, "state_bits": None, f"{what}_bits": bits}
        errors = delay_errors(seeds, **rounded)
        if what == "state":  # the same with and without the synapse
            figures[f"nrmse_state_{bits}"] = errors[0]
        else:
            figures[f"nrmse_direct_weight_{bits}"] = errors[0]
            figures[f"nrmse_synapse_weight_{bits}"] = errors[1]
        figures[f"accuracy_{what}_{bits}"] = trained.accuracy(**rounded)
    if targets.installed("loihi"):
        figures["nrmse_loihi"] = loihi_error(seeds)
    settings = {"data": digits.name, "digits": len(trained.y), "seeds": list(seeds)}
    path = report("quantization", seed, quick, figures, {}, out, settings)
    draw(figures, digits.name, path.with_suffix(".png"))
    console.print(f"Wrote {path} and {path.with_suffix('.png')}.")
