"""What every experiment leaves behind: a table on the console and a JSON file."""

import importlib.metadata
import io
import json
import platform
import time
import zlib

import numpy as np
from nengo.exceptions import ValidationError
from rich.table import Table

from experiments._lib.command_line import console
from lmu_nengo.io import write_atomically

PACKAGES = ("jax", "lmu-nengo", "nengo", "nengo-dl", "numpy", "scipy", "tensorflow")
STARTED = time.perf_counter()


def versions():
    """Versions of Python and of the packages that are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def report(experiment, seed, quick, figures, reference, out, settings=None, shown=None):
    """
    Print the measured figures beside the published ones, and write them as JSON.

    Parameters
    ----------
    experiment : str
        Name of the experiment, and of the JSON file.
    seed : int
        Seed that was used.
    quick : bool
        Whether this was the small version.
    figures : dict of {str: float}
        What was measured.
    reference : dict of {str: float}
        Published figures under the same names, where there are any.
    out : pathlib.Path
        Folder to write to.
    settings : dict, optional
        How it was measured; for the JSON file only.
    shown : iterable of str, optional
        Names of the figures in the table; by default all.

    Returns
    -------
    path : pathlib.Path
        The JSON file.
    """
    table = Table(title=experiment)
    for column in ("figure", "measured", "published"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for name in figures if shown is None else shown:
        value, published = figures[name], reference.get(name)
        table.add_row(name, f"{value:.6g}", "" if published is None else f"{published:g}")
    console.print(table)
    path = out / f"{experiment}.json"
    result = {
        "experiment": experiment,
        "seed": seed,
        "quick": quick,
        "seconds": round(time.perf_counter() - STARTED),
        "versions": versions(),
        "figures": figures,
        "reference": reference,
    }
    if settings is not None:
        result["settings"] = settings
    write_atomically(path, (json.dumps(result, indent=2) + "\n").encode())
    return path


def save_figure(figure, path, dpi=150):
    """
    Write a picture, atomically.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    path : pathlib.Path
        The file; its ending is the format.
    dpi : int
        Dots per inch.
    """
    content = io.BytesIO()
    figure.savefig(content, dpi=dpi, format=path.suffix[1:])
    write_atomically(path, content.getvalue())


def checksum(*arrays):
    """
    Return a number that other data would not have, as a setting of a checkpoint.

    Parameters
    ----------
    *arrays : ndarray
        The data.

    Returns
    -------
    checksum : int
        CRC-32 of shapes and values.
    """
    crc = 0
    for array in arrays:
        array = np.ascontiguousarray(array)
        crc = zlib.crc32(array, zlib.crc32(repr((array.shape, array.dtype)).encode(), crc))
    return crc


def read_json(path):
    """
    Read a JSON object that an experiment wrote.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    content : dict
        What it contains.

    Raises
    ------
    ValidationError
        If it cannot be read or is not a JSON object.
    """
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        content = error
    if not isinstance(content, dict):
        raise ValidationError(
            f"{path} is damaged. Delete it, or start without --resume.", attr="path"
        )
    return content


def load_part(path, asked, resume):
    """
    Read the result of a part of an experiment, if it is there.

    Parameters
    ----------
    path : pathlib.Path
        JSON file that `save_part` wrote.
    asked : dict or list
        How it is to be measured, for JSON.
    resume : bool
        Whether results that are there count.

    Returns
    -------
    result : dict or None
        What was measured; None if it was not measured like this.

    Raises
    ------
    ValidationError
        If the file is damaged.
    """
    if not (resume and path.is_file()):
        return None
    result = read_json(path)
    return result if result.get("asked") == json.loads(json.dumps(asked)) else None


def part(path, asked, resume, make):
    """
    Read the result of a part of an experiment, or make and write it.

    Parameters
    ----------
    path, asked, resume : object
        As for `load_part`.
    make : callable
        Returns what is measured, a dict.

    Returns
    -------
    result : dict
        That, and ``"asked"``.
    """
    result = load_part(path, asked, resume)
    if result is None:
        result = {"asked": asked, **make()}
        path.parent.mkdir(parents=True, exist_ok=True)
        save_part(path, result)
    return result


def save_part(path, result):
    """
    Write the result of a part of an experiment, atomically.

    Parameters
    ----------
    path : pathlib.Path
        The JSON file.
    result : dict
        What was measured; how, as ``"asked"``.
    """
    write_atomically(path, json.dumps(result).encode())
