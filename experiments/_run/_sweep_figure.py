"""The figure of a sweep: a measure against an option, one line for each other setting."""

import pandas as pd

from experiments._lib.results import save_figure


def draw(table, options, measure, name, path):
    """
    Draw the mean and the range over seeds.

    Parameters
    ----------
    table : pandas.DataFrame
        A row for each run.
    options : list of str
        Columns that vary; the first numeric one is the horizontal axis.
    measure : str
        Column to draw.
    name : str
        The experiment.
    path : pathlib.Path
        File of the figure.
    """
    from matplotlib.figure import Figure

    numeric = [o for o in options if pd.to_numeric(table[o], errors="coerce").notna().all()]
    along = (numeric or options or ["seed"])[0]
    others = [option for option in options if option != along]
    figure = Figure(figsize=(6, 3.8), layout="constrained")
    ax = figure.subplots()
    for values, part in table.groupby(others, sort=False) if others else [((), table)]:
        label = ", ".join(f"{o} {v}" for o, v in zip(others, values, strict=True))
        seeds = part.groupby(along, sort=False)[measure]
        mean, low, high = seeds.mean(), seeds.min(), seeds.max()
        x = pd.to_numeric(mean.index) if along in numeric else mean.index.astype(str)
        ax.errorbar(
            x,
            mean,
            yerr=[mean - low, high - mean],
            fmt="o-" if along in numeric else "o",
            capsize=3,
            ms=4,
            label=label,
        )
    for axis, values in (("x", pd.to_numeric(table[along], errors="coerce")),) * (
        along in numeric
    ) + (("y", table[measure]),):
        if values.min() > 0 and values.max() > 30 * values.min():
            getattr(ax, f"set_{axis}scale")("log")
    n_seeds = table["seed"].nunique()
    ax.set(xlabel=along, ylabel=measure, title=f"{name}: mean and range of {n_seeds} seeds")
    if others:
        ax.legend(frameon=False, fontsize="small")
    save_figure(figure, path)
