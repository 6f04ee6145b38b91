"""Training for a given processor time, and the search for its settings."""

import copy
import math
import time
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.functional import cross_entropy, mse_loss

from experiments._lib.pytorch import one_thread
from experiments.baselines._networks import STARTS, build, count

RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
FURTHER_RATES = (1e-5, 3e-5, 1e-4, *RATES, 1e-1, 3e-1, 1.0)
SCHEDULES = ("cosine", "constant")
N_CHECKS, N_SEARCH_CHECKS, N_FINALISTS = 20, 5, 2
CLIP, SEARCH_SEED = 1.0, 100


class Setting(NamedTuple):
    """
    What is searched.

    Attributes
    ----------
    rate : float
        Learning rate of Adam.
    schedule : {"cosine", "constant"}
        Whether the rate falls to zero over the time of the training.
    start : str
        How the weights start, see `experiments.baselines._networks.Recurrent`.
    """

    rate: float
    schedule: str
    start: str


def loss_of(task, outputs, y):
    """Cross-entropy of labels, or mean square error."""
    if task.is_regression:
        return mse_loss(outputs, y)
    return cross_entropy(outputs.flatten(0, 1), y.flatten())


@torch.no_grad()
def test(network, task, data, size=250):
    """
    Test a network.

    Parameters
    ----------
    network : torch.nn.Module
        The network.
    task : experiments.baselines._tasks.Task
        Its task.
    data : tuple of (ndarray, ndarray)
        Inputs and targets.
    size : int
        Sequences at a time.

    Returns
    -------
    error : float
        Share of wrong answers, or mean square error.
    loss : float
        What is minimized in training.
    """
    errors, losses = [], []
    for i in range(0, len(data[0]), size):
        x, y = (torch.as_tensor(part[i : i + size]) for part in data)
        outputs = network(x)
        losses.append(loss_of(task, outputs, y).item() * len(x))
        wrong = (outputs.argmax(-1) != y).float().mean().item()
        errors.append(losses[-1] if task.is_regression else wrong * len(x))
    return sum(errors) / len(data[0]), sum(losses) / len(data[0])


@one_thread()
def train(kind, task, setting, seed, seconds, n_checks=N_CHECKS, clock=time.process_time):
    """
    Train a network, and keep it as it was when its validation error was lowest.

    Parameters
    ----------
    kind : {"lmu", "lstm", "gru", "rnn"}
        Type of network.
    task : experiments.baselines._tasks.Task
        The task.
    setting : Setting
        Rate, schedule and initial weights.
    seed : int
        Seed of data, weights and batches.
    seconds : float
        Processor time, without that of the validation.
    n_checks : int
        Validations, spread over the time.
    clock : callable
        Clock that gives the seconds.

    Returns
    -------
    network : torch.nn.Module
        The network.
    result : dict
        ``validation`` error and ``loss``, ``parameters``, ``updates``, ``seconds``, and by
        check the ``curve`` (seconds, error, loss).
    """
    batch, held_out, _ = task.make(seed)
    network = build(kind, task, setting.start, seed)
    trained = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, setting.rate)
    rng, curve, best = np.random.default_rng([seed, 3]), [], None
    spent, updates = 0.0, 0
    while True:
        if spent >= seconds * len(curve) / n_checks:
            error, loss = test(network, task, held_out)
            curve.append((spent, error, loss))
            if best is None or (error, loss) < best[0]:
                best = (error, loss), copy.deepcopy(network.state_dict())
            if spent >= seconds or error <= task.enough or not math.isfinite(loss):
                break
        started = clock()
        if setting.schedule == "cosine":
            share = min(spent / seconds, 1)
            optimizer.param_groups[0]["lr"] = (
                setting.rate * (1 + math.cos(math.pi * share)) / 2
            )
        x, y = map(torch.as_tensor, batch(rng, task.batch))
        optimizer.zero_grad()
        loss_of(task, network(x), y).backward()
        torch.nn.utils.clip_grad_norm_(trained, CLIP)
        optimizer.step()
        updates += 1
        spent += clock() - started
    network.load_state_dict(best[1])
    return network, {
        "validation": best[0][0],
        "loss": best[0][1],
        "parameters": count(network),
        "updates": updates,
        "seconds": spent,
        "curve": curve,
    }


def search(kind, attempt):
    """
    Find the setting with the lowest validation error.

    First all rates and initial weights with a rate that falls; while the best rate is the
    largest or the smallest that was tried, one further; then a constant rate. For each of
    the two best rates the best setting is trained for the whole time, in which the lower
    rate is often the better one.

    Parameters
    ----------
    kind : str
        Type of network.
    attempt : callable
        ``attempt(setting, whole)`` returns the result of a short training, or of one of the
        whole time.

    Returns
    -------
    setting : Setting
        The best.
    tried : list of (Setting, float)
        All settings and their validation errors after a short training.
    finalists : list of (Setting, float)
        The best of the two best rates, and their validation errors after the whole time.
    """
    found = {}

    def attempt_all(settings):
        for setting in settings:
            result = attempt(setting, False)
            found[setting] = result["validation"], result["loss"]
        return min(found, key=found.get)

    best = attempt_all(
        Setting(rate, SCHEDULES[0], start) for start in STARTS[kind] for rate in RATES
    )
    ends = FURTHER_RATES[0], FURTHER_RATES[-1]
    lowest, highest = RATES[0], RATES[-1]
    while best.rate in (lowest, highest) and best.rate not in ends:
        i = FURTHER_RATES.index(best.rate)
        if best.rate == highest:
            further = highest = FURTHER_RATES[i + 1]
        else:
            further = lowest = FURTHER_RATES[i - 1]
        best = attempt_all([best._replace(rate=further)])
    attempt_all([best._replace(schedule=SCHEDULES[1])])
    by_rate = {}
    for setting in sorted(found, key=found.get):
        by_rate.setdefault(setting.rate, setting)
    whole = {}
    for setting in list(by_rate.values())[:N_FINALISTS]:
        result = attempt(setting, True)
        whole[setting] = result["validation"], result["loss"]
    return (min(whole, key=whole.get), *(errors(each) for each in (found, whole)))


def errors(found):
    """Rows of a setting and its error."""
    return [(*setting, error) for setting, (error, _) in found.items()]
