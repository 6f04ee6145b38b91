"""Time and space of an installation, extra by extra, in fresh environments.

For each extra an environment is made with the Python that runs this, pip is brought up to
date, and the clone is installed with the extra, without pip's cache. Seconds are those of
the installation, the least of the rounds; GB are those of the whole environment. With
NengoDL, `dl`, this works on Python 3.11 only.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import click

ROOT = Path(__file__).parents[1]


def size(folder):
    """Return the bytes of all files of a folder."""
    found = (Path(top, name) for top, _, names in os.walk(folder) for name in names)
    return sum(path.lstat().st_size for path in found)


def install(extra):
    """Return the seconds of an installation, and the bytes of its environment."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder, "Scripts" if os.name == "nt" else "bin", "python")
        pip = str(python), "-m", "pip", "install", "-q", "--no-cache-dir"
        subprocess.run([*pip, "--upgrade", "pip"], check=True)
        started = time.perf_counter()
        subprocess.run([*pip, f"{ROOT}[{extra}]"], check=True)
        return time.perf_counter() - started, size(folder)


@click.command(help=__doc__)
@click.option("--extra", "extras", multiple=True, default=("train", "dl"))
@click.option("--rounds", default=1, show_default=True, help="Installations of each.")
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
def main(extras, rounds, out):
    """Take turns and print a table."""
    results = {extra: [] for extra in extras}
    for _ in range(rounds):
        for extra in extras:
            results[extra].append(install(extra))
    figures = {}
    for extra, runs in results.items():
        seconds, used = min(run[0] for run in runs), runs[-1][1] / 1e9
        figures |= {f"{extra}_seconds": seconds, f"{extra}_gb": used}
        print(f"{extra:10}{seconds:8.0f} s{used:8.2f} GB")
    if out:
        settings = {"python": sys.version.split()[0], "rounds": rounds}
        out.write_text(json.dumps({"settings": settings, "figures": figures}, indent=1))


if __name__ == "__main__":
    main()
