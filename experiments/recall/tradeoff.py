"""Storage against performance: error by order and theta for chaotic series.

A memory, which is not trained, sees Mackey-Glass (tau 17) and Lorenz (steps of 0.05)
series. There are two maps for each: the error of the window as reconstructed from the
memory, and the error of a prediction (15 and 5 steps ahead) from the 8 past states that are
nearest to the present one, where the distance is that between windows. Errors are
normalized root mean square errors (NRMSE) on series that were not used as the past.

The maps also show the theoretical order: the lowest one that delays all frequencies up to
the one below which 99.9 % of the power lies by theta to within 10 %
(`lmu_nengo.order_for`). For comparison, the same prediction is made from raw values, as
many as the order, evenly spaced over theta: a delay line with the same storage.
"""

import click
import numpy as np

import lmu_nengo
from experiments._lib.command_line import console, shared_options
from experiments._lib.parallel import run_many
from experiments._lib.results import report, save_figure
from lmu_nengo.datasets import lorenz, mackey_glass

ORDERS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
THETAS = (4, 8, 16, 32, 64, 128)  # steps
SERIES = {"mackey_glass": (mackey_glass, 15), "lorenz": (lorenz, 5)}
N_SERIES, NEIGHBORS, TOLERANCE, POWER = 8, 8, 0.1, 0.999


def highest_frequency(series):
    """Frequency, in cycles per step, below which a share `POWER` of the power lies."""
    power = (np.abs(np.fft.rfft(series * np.hanning(series.shape[1]))) ** 2).mean(axis=0)
    share = np.cumsum(power[1:]) / np.sum(power[1:])
    return (1 + np.searchsorted(share, POWER)) / series.shape[1]


def windows(series, order, theta):
    """
    Compute the memory of each series at each step, and the true windows.

    Parameters
    ----------
    series : ndarray of shape (n, n_steps)
        The input, held over each step.
    order, theta : int
        Order of the memory; window in steps.

    Returns
    -------
    memory : ndarray of shape (n, n_steps - theta + 1, order)
        Legendre coefficients, from the first whole window on.
    truth : ndarray of shape (n, n_steps - theta + 1, theta)
        Values, from the present one backwards.
    """
    from scipy.signal import fftconvolve

    A, B = lmu_nengo.signal.state_space(theta, order)
    response = lmu_nengo.signal.impulse_response(
        *lmu_nengo.signal.discretize(A, B, 1.0), series.shape[1]
    )
    memory = fftconvolve(series[..., None], response[None], axes=1)
    truth = np.lib.stride_tricks.sliding_window_view(series, theta, axis=1)
    return memory[:, theta - 1 : series.shape[1]], truth[..., ::-1]


def errors(name, order, theta, n_steps, seed):
    """
    Compute the errors of the window and of the prediction.

    Parameters
    ----------
    name : str
        One of `SERIES`.
    order, theta : int
        Order of the memory; window in steps.
    n_steps : int
        Length of each series.
    seed : int
        Seed of the series.

    Returns
    -------
    window, prediction, line : float
        NRMSE of the window, of the prediction, and of that from a delay line.
    """
    make, ahead = SERIES[name]
    series = make(N_SERIES, n_steps, seed)
    memory, truth = windows(series, order, theta)
    # a value that is held for a step is on average half a step old
    given = lmu_nengo.signal.reconstruct_window(memory, (np.arange(theta) + 0.5) / theta)
    late = 2 * max(THETAS) - theta  # the same steps for all theta
    window = lmu_nengo.signal.nrmse(given[:, late:], truth[:, late:])
    coordinates = memory / np.sqrt(2 * np.arange(order) + 1)  # distances between windows
    taps = truth[..., np.unique(np.linspace(0, theta - 1, order).round().astype(int))]
    first = late + theta - 1
    target = series[:, first + ahead :]
    found = [predict(z[:, late:-ahead], target) for z in (coordinates, taps)]
    return window, *found


def predict(states, target):
    """NRMSE of the second half of the series, from neighbors in the first half."""
    from sklearn.neighbors import KNeighborsRegressor

    half, size = len(states) // 2, states.shape[-1]
    model = KNeighborsRegressor(NEIGHBORS, weights="distance")
    model.fit(states[:half].reshape(-1, size), target[:half].ravel())
    found = model.predict(states[half:, ::5].reshape(-1, size))
    return lmu_nengo.signal.nrmse(found, target[half:, ::5].ravel())


@click.command(help=__doc__)
@shared_options
def main(quick, seed, out):
    """Run the experiment."""
    n_steps = 1000 if quick else 5000
    orders, thetas = (ORDERS[1::3], THETAS[::2]) if quick else (ORDERS, THETAS)
    out.mkdir(parents=True, exist_ok=True)
    cases = [(s, q, t, n_steps, seed) for s in SERIES for q in orders for t in thetas]
    found = run_many(errors, cases, "maps")
    maps = np.reshape(found, (len(SERIES), len(orders), len(thetas), 3))
    figures, theory, shown = {}, {}, {}
    for name, values in zip(SERIES, maps, strict=True):
        frequency = highest_frequency(SERIES[name][0](N_SERIES, n_steps, seed))
        theory[name] = [lmu_nengo.order_for(t, frequency, TOLERANCE) for t in thetas]
        shown[f"{name}_frequency"] = float(frequency)
        for t, order in zip(thetas, theory[name], strict=True):
            shown[f"{name}_theory_theta{t}"] = order
        for kind, column in zip(("window", "prediction", "line"), values.T, strict=True):
            shown[f"{name}_{kind}_best"] = float(column.min())
            for t, row in zip(thetas, column, strict=True):
                for q, value in zip(orders, row, strict=True):
                    figures[f"{name}_{kind}_theta{t}_order{q}"] = float(value)
    figures = shown | figures
    settings = {"n_series": N_SERIES, "n_steps": n_steps, "neighbors": NEIGHBORS}
    settings |= {"power": POWER, "tolerance": TOLERANCE}
    path = report("tradeoff", seed, quick, figures, {}, out, settings, shown)
    draw(orders, thetas, maps, theory, path.with_suffix(".png"))
    console.print(f"Wrote {path} and {path.with_suffix('.png')}.")


def draw(orders, thetas, maps, theory, path):
    """Draw both maps of each series, and the best prediction by order."""
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    titles = {"mackey_glass": "Mackey-Glass", "lorenz": "Lorenz"}
    figure = Figure(figsize=(12, 7), layout="constrained")
    drawn = figure.subplots(len(SERIES), 3)
    for (name, (_, ahead)), values, row in zip(SERIES.items(), maps, drawn, strict=True):
        what = ("window", f"prediction {ahead} steps ahead")
        for axes, kind, title in zip(row[:2], values.T[:2], what, strict=True):
            norm = LogNorm(max(kind.min(), 1e-4), 1)
            image = axes.imshow(kind.T, origin="lower", norm=norm, aspect="auto")
            figure.colorbar(image, ax=axes, label="NRMSE")
            # position of the theoretical order among those drawn
            place = np.interp(
                np.log(theory[name]), np.log(orders), range(len(orders)), right=np.nan
            )
            axes.plot(place, "o--", color="white", ms=5, mec="black", lw=2)
            axes.plot(place, "--", color="black", lw=1, label="theoretical order")
            axes.set_xticks(range(len(thetas)), thetas)
            axes.set_yticks(range(len(orders)), orders)
            axes.set(xlabel="theta (steps)", ylabel="order")
            axes.set_title(f"{titles[name]}: {title}")
        axes.legend(loc="upper left", fontsize="small")
        best = values.min(axis=1)
        row[2].plot(orders, best[:, 1], "o-", ms=4, label="memory of this order")
        row[2].plot(orders, best[:, 2], "s--", ms=4, label="as many raw values")
        row[2].set(xscale="log", yscale="log", xlabel="numbers stored")
        row[2].set_xticks(orders, orders)
        row[2].minorticks_off()
        row[2].set(ylabel="NRMSE", title=f"prediction {ahead} steps ahead, best theta")
        row[2].legend(frameon=False, fontsize="small")
    save_figure(figure, path, dpi=120)
