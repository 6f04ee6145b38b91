"""Growing delays for LSTM, GRU and simple RNN, and an LMU that is told a wrong delay.

The task is that of `why`: one of eight symbols in the first step, then distractors, then
the network names the symbol; 500 trials for training, 100 for validation, --tests for
testing.

LSTM, GRU and simple RNN have 64 units. The recurrence of each gate starts orthogonal by
itself, and the forget bias is 1; "keras" ones start as in `why`, by Keras' defaults, with
the gates as one matrix, and are trained at 100 steps only. "growing" ones are trained at 10
steps until 99 % of the validation trials are right, then at 20, 50, 100 and so on up to
10,000, within four times --minutes of processor time; "reached" is the longest delay that
was learned, and the network that learned it is tested at all delays. "direct" ones are
trained at 10, 100, 1,000 or 10,000 steps for --minutes. Validation does not count.

LMU: memories of order 16 for each channel and a logistic regression of their states. Its
theta is 1.25 delays in `why` ("told"); here it is also 2 and 10 times as long, and a half
and a tenth of it, which is less than the delay. "fixed" is one memory for all delays, made
for 10,000 steps. As the channels of the symbols are silent after the first step, the
faintest trace would do; "noisy" memories therefore have white noise of --noise added to
every channel in every step, in training and testing (trained networks have none).

Three seeds (--seeds, from --seed on). The figures are % of the test trials; chance is
12.5 %.
"""

import copy
import time
from functools import partial
from types import SimpleNamespace

import click
import numpy as np

from experiments._lib.command_line import (
    console,
    minutes_option,
    need_torch,
    resume_option,
    seeds_option,
    shared_options,
)
from experiments._lib.pytorch import one_thread
from experiments._lib.results import part, report, save_figure
from experiments.recall._symbol import (
    BATCH,
    CLIP,
    LEARNED,
    N_SYMBOLS,
    N_UNITS,
    RATE,
    SIZE,
    WINDOW,
    in_parts,
    make_sets,
    memory_system,
    one_hot,
)
from lmu_nengo.signal import impulse_response

DELAYS = (10, 100, 1000, 10_000)
GROWING = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
FACTORS = {"told": 1.0, "double": 2.0, "tenfold": 10.0, "half": 0.5, "tenth": 0.1}
NAMES = {"lstm": "LSTM", "gru": "GRU", "rnn": "simple RNN"}


def lmu_accuracy(sets, delay, theta, noises, seed):
    """
    Recall of memories and a logistic regression.

    Parameters
    ----------
    sets : list of Trials
        What `make_sets` returned.
    delay : int
        Steps of these trials.
    theta : float
        Length of the memories' windows in steps.
    noises : sequence of float
        Standard deviations of white noise in every step of the input.
    seed : int
        Seed of the noise.

    Returns
    -------
    accuracies : list of float
        Percentage of the test trials, for each noise.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    system = memory_system(delay, theta / (delay + 1))
    lags = impulse_response(*system, delay + 1)[::-1]

    def states(trials):
        return np.concatenate([np.tensordot(x, lags, (1, 0)) for x, _ in in_parts(trials)])

    used, tested = states(sets[0]), states(sets[2])
    # noise of all steps reaches the state as "root" times as many normal numbers
    _, sizes, axes = np.linalg.svd(lags, full_matrices=False)
    root, rng, accuracies = sizes[:, None] * axes, np.random.default_rng([seed, 4]), []
    for noise in noises:
        x, x_test = (
            (m + noise * rng.standard_normal((*m.shape[:2], len(root))) @ root).reshape(
                len(m), -1
            )
            for m in (used, tested)
        )
        reader = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        reader.fit(x, sets[0].answers)
        accuracies.append(100 * reader.score(x_test, sets[2].answers))
    return accuracies


class Learner:
    """
    A recurrent network in training, with a clock of its own.

    Parameters
    ----------
    kind : {"lstm", "gru", "rnn"}
        Type of its layer.
    seed : int
        Seed of weights and batches.
    seconds : float
        Processor time for all training.
    start : str
        Initial weights, see `experiments.baselines._networks.Recurrent`.
    """

    def __init__(self, kind, seed, seconds, start="default"):
        import torch

        from experiments.baselines._networks import Recurrent

        torch.manual_seed(seed)
        sizes = SimpleNamespace(input_d=SIZE, output_d=N_SYMBOLS, n_outputs=1)
        self.network = Recurrent(kind, N_UNITS, sizes, start)
        self.trained = [p for p in self.network.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(self.trained, RATE)
        self.rng = np.random.default_rng([seed, 2])
        self.seconds, self.spent, self.updates = seconds, 0.0, 0

    def outputs(self, shown):
        """Outputs for trials as they are shown."""
        import torch

        return self.network(torch.as_tensor(one_hot(shown)))[:, 0]

    @one_thread()
    def learn(self, data, validation):
        """Train until the validation trials are right; returns whether they are in time."""
        import torch

        while self.spent < self.seconds:
            for chosen in self.rng.permutation(len(data.answers)).reshape(-1, BATCH):
                started = time.process_time()
                answers = torch.as_tensor(data.answers[chosen])
                loss = torch.nn.functional.cross_entropy(
                    self.outputs(data.shown[chosen]), answers
                )
                self.optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(self.trained, CLIP)
                self.optimizer.step()
                self.updates += 1
                self.spent += time.process_time() - started
                if self.spent >= self.seconds:
                    break
            if self.accuracy(validation) >= LEARNED:
                return True
        return False

    @one_thread()
    def accuracy(self, trials):
        """Percentage of trials that are right."""
        import torch

        with torch.no_grad():
            right = [
                self.outputs(trials.shown[i : i + 100]).argmax(axis=1).numpy()
                == trials.answers[i : i + 100]
                for i in range(0, len(trials.answers), 100)
            ]
        return 100 * float(np.mean(np.concatenate(right)))


def grow(kind, seed, seconds, delays, tested, n_tests, start="default"):
    """
    Train with growing delays, then test.

    Parameters
    ----------
    kind : {"lstm", "gru", "rnn"}
        Type of layer.
    seed : int
        Seed of everything random.
    seconds : float
        Processor time of training.
    delays : sequence of int
        Delays of training, one after the other.
    tested : sequence of int
        Delays of the tests.
    n_tests : int
        Test trials.
    start : str
        Initial weights, see `experiments.baselines._networks.Recurrent`.

    Returns
    -------
    result : dict
        ``reached``, the longest delay that was learned (0: none), ``updates``, ``seconds``,
        and ``recalled`` in % at each of the tested delays. If none was learned, it is the
        last state of the training that is tested.
    """
    learner = Learner(kind, seed, seconds, start)
    reached, kept = 0, None
    for delay in delays:
        data, validation, _ = make_sets(delay, 1, seed)
        if not learner.learn(data, validation):
            break
        reached, kept = delay, copy.deepcopy(learner.network.state_dict())
    if kept is not None:
        learner.network.load_state_dict(kept)
    return {
        "reached": reached,
        "updates": learner.updates,
        "seconds": learner.spent,
        "recalled": [learner.accuracy(make_sets(d, n_tests, seed)[2]) for d in tested],
    }


@click.command(help=__doc__)
@minutes_option(
    0.6, "Processor time of a network at one delay; a curriculum has four times as much."
)
@click.option(
    "--network",
    "kinds",
    type=click.Choice(tuple(NAMES)),
    multiple=True,
    default=tuple(NAMES),
    help="Networks to train, beside the LMU. Default: all.",
)
@click.option("--tests", type=click.IntRange(1), default=1000, show_default=True)
@click.option(
    "--noise",
    type=click.FloatRange(min=0),
    default=0.01,
    show_default=True,
    help="Standard deviation of the noisy memories' input.",
)
@seeds_option()
@resume_option
@shared_options
def main(minutes, kinds, tests, noise, n_seeds, resume, quick, seed, out):
    """Run the experiment."""
    need_torch()
    delays, growing = DELAYS, GROWING
    seconds, n_tests = 60 * minutes, tests
    if quick:
        delays, growing, n_seeds, kinds = (10, 100), GROWING[:3], 1, ("rnn",)
        seconds, n_tests = min(1.0, seconds), 100
    folder = out / "curriculum"
    seeds, figures, longest = range(seed, seed + n_seeds), {}, delays[-1]

    def keep(name, values):
        figures[name] = float(np.mean(values))
        figures.update({f"{name}_seed{s}": v for s, v in zip(seeds, values, strict=True)})

    for delay in delays:
        sets = [make_sets(delay, n_tests, s) for s in seeds]
        thetas = {name: factor * WINDOW * (delay + 1) for name, factor in FACTORS.items()}
        thetas["fixed"] = WINDOW * (longest + 1)
        for name, theta in thetas.items():
            found = [
                lmu_accuracy(each, delay, theta, (0, noise), s)
                for s, each in zip(seeds, sets, strict=True)
            ]
            for what, values in zip(
                (name, f"{name}_noisy"), zip(*found, strict=True), strict=True
            ):
                keep(f"lmu_{what}_{delay}", values)
    plans = {"growing": (4 * seconds, growing, delays)}
    plans |= {f"direct_{d}": (seconds, [d], [d]) for d in delays}
    plans["keras_100"] = seconds, [100], [100]
    trainings = {}
    for kind in kinds:
        for name, plan in plans.items():
            results = []
            for s in seeds:
                path, asked = folder / f"{kind}-{name}-{s}.json", [kind, s, *plan, n_tests]
                asked += ["keras"] * (name == "keras_100")
                with console.status(f"{NAMES[kind]}, {name}, seed {s}"):
                    results.append(part(path, asked, resume, partial(grow, *asked)))
            trainings[f"{kind}_{name}"] = results
            for i, delay in enumerate(plan[2]):
                key = f"{kind}_{name}_{delay}" if name == "growing" else f"{kind}_{name}"
                keep(key, [result["recalled"][i] for result in results])
            if name == "growing":
                reached = [result["reached"] for result in results]
                keep(f"{kind}_growing_reached", reached)
    settings = {
        "delays": list(delays),
        "growing": list(growing),
        "factors": FACTORS,
        "seconds": {"direct": seconds, "growing": 4 * seconds},
        "clock": "processor time of one thread, without validation",
        "tests": n_tests,
        "noise": noise,
        "seeds": list(seeds),
        "trainings": trainings,
    }
    shown = [name for name in figures if "_seed" not in name]
    path = report("curriculum", seed, quick, figures, {}, out, settings, shown)
    draw(figures, settings, path.with_suffix(".png"))
    console.print(f"Wrote {path} and {path.with_suffix('.png')}.")


def draw(figures, settings, path):
    """Draw the recall by delay: of trained networks, and of memories of other lengths."""
    from matplotlib.figure import Figure

    delays, seeds = settings["delays"], settings["seeds"]
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)

    def line(axis, name, **style):
        axis.plot(delays, [figures[f"{name}_{d}"] for d in delays], marker="o", **style)
        by_seed = [[figures[f"{name}_{d}_seed{s}"] for s in seeds] for d in delays]
        lowest, highest = np.min(by_seed, axis=1), np.max(by_seed, axis=1)
        axis.fill_between(delays, lowest, highest, color=style["color"], alpha=0.15, lw=0)

    for i, kind in enumerate(NAMES, start=1):
        if f"{kind}_growing" not in settings["trainings"]:
            continue
        line(left, f"{kind}_growing", color=f"C{i}", label=f"{NAMES[kind]}, growing delays")
        label = f"{NAMES[kind]}, this delay only"
        line(left, f"{kind}_direct", color=f"C{i}", ls="--", label=label)
    line(left, "lmu_told", color="C0", label="LMU, told the delay")
    labels = {name: f"{factor * WINDOW:g} delays" for name, factor in FACTORS.items()}
    labels["fixed"] = f"{WINDOW * delays[-1]:,.0f} steps"
    for i, (name, label) in enumerate(labels.items()):
        line(right, f"lmu_{name}_noisy", color=f"C{i}", label=f"theta of {label}")
    for axis in (left, right):
        axis.axhline(100 / N_SYMBOLS, color="black", ls="-.", lw=1)
        axis.set(xscale="log", xlabel="delay (steps)", ylim=(0, 105))
        axis.legend(
            loc="upper center",
            bbox_to_anchor=(0.5, -0.15),
            ncols=2,
            fontsize="small",
            frameon=False,
        )
    left.set(ylabel="symbols recalled (%)", title="trained networks")
    right.set(title=f"LMU of order 16, noise of {settings['noise']:g} in every step")
    save_figure(figure, path)
