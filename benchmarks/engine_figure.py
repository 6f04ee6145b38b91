"""The figure of engine.py."""

COLORS = {
    "engine": "C3",
    "engine on the processor": "C1",
    "core": "black",
    "NengoDL": "C0",
    "NengoOCL": "C9",
    "Brian2": "C2",
    "Brian2, own LIF": "C8",
    "NEST": "C4",
}
GROWTH = {"neurons": "n_neurons", "batch": "batch", "order": "order"}


def draw(results, path):
    """
    Draw times of a step: of the tasks, and against neurons, batch and order.

    Parameters
    ----------
    results : dict
        What engine.py writes.
    path : str or Path
        Of the picture; its suffix says which kind.
    """
    from matplotlib.figure import Figure

    parts = [part for part in ("tasks", *GROWTH) if results.get(part)]
    figure = Figure(figsize=(9, 3.6 * ((len(parts) + 1) // 2)), layout="constrained")
    panels = figure.subplots((len(parts) + 1) // 2, 2, squeeze=False).ravel()
    for axes in panels[len(parts) :]:
        axes.set_axis_off()
    handles = {}
    for part, axes in zip(parts, panels, strict=False):
        drawn = draw_tasks if part == "tasks" else draw_growth
        handles |= drawn(axes, results[part], GROWTH.get(part))
    handles = [handles[name] for name in COLORS if name in handles]
    figure.legend(handles=handles, loc="outside upper center", ncols=4, frameon=False)
    figure.savefig(path, dpi=150, metadata={"Date": None} if is_svg(path) else None)


def is_svg(path):
    """Whether a picture is to be in SVG, whose date would change with each run."""
    return str(path).endswith(".svg")


def draw_tasks(axes, tasks, _):
    """Draw a row of points for each task."""
    handles, names = {}, []
    for y, task in enumerate(tasks):
        neurons = task["neurons"].replace("SpikingRectifiedLinear", "rectified")
        batch = f", batch {task['batch']}" if task["batch"] > 1 else ""
        names.append(f"order {task['order']}, {task['n_neurons']:,} {neurons}{batch}")
        for name, row in task["contestants"].items():
            handles[name] = axes.plot(
                row["median"], y, "o", color=COLORS[name], label=name
            )[0]
    axes.set(xscale="log", xlabel="µs a step of one sequence")
    axes.set_yticks(range(len(names)), names, fontsize="small")
    axes.invert_yaxis()
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)
    return handles


def draw_growth(axes, cases, key):
    """Draw a line for each contestant."""
    handles = {}
    for name, color in COLORS.items():
        rows = [case for case in cases if name in case["contestants"]]
        if rows:
            x = [case[key] for case in rows]
            y = [case["contestants"][name]["median"] for case in rows]
            handles[name] = axes.plot(x, y, "o-", ms=4, color=color, label=name)[0]
    fixed = [
        f"{name} {cases[0][other]:,}"
        for name, other in GROWTH.items()
        if other != key and len({case[other] for case in cases}) == 1
    ]
    axes.set(
        xscale="log",
        yscale="log",
        xlabel={"n_neurons": "neurons"}.get(key, key),
        ylabel="µs a step of one sequence",
        title=", ".join(fixed),
    )
    ticks = [case[key] for case in cases]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.minorticks_off()
    return handles
