"""One run of a sweep, on a worker that knows nothing but Python and the installed library.

The code of the experiments travels with each task, as a zip archive. This module is sent
by value; it must import nothing from `experiments`.
"""

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
ATTEMPTS = 3  # at a run whose process is killed


def run_task(name, arguments, code, folder="."):
    """
    Run an experiment once, in a process of its own; again if that is killed.

    Parameters
    ----------
    name : str
        The experiment.
    arguments : list of str
        Its options.
    code : bytes
        A zip archive of the package ``experiments``.
    folder : str
        Folder to run it in, if it exists here.

    Returns
    -------
    figures : dict of {str: float}
        What it measured.

    Raises
    ------
    RuntimeError
        If it failed, with the end of its error output; or if it was killed three times.
    """
    threads = {variable: os.environ.get(variable, "1") for variable in THREADS}
    for _ in range(ATTEMPTS):
        with tempfile.TemporaryDirectory() as own:
            with zipfile.ZipFile(io.BytesIO(code)) as archive:
                archive.extractall(own)
            out = Path(own, "out")
            path = os.pathsep.join(filter(None, (own, os.environ.get("PYTHONPATH"))))
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "experiments._run._sweep_task", name),
                    *(*arguments, "--out", str(out)),
                ],
                cwd=folder if os.path.isdir(folder) else own,
                env={**os.environ, **threads, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"},
                stdin=subprocess.PIPE,  # closed by the system when this process ends
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            errors = process.stderr.read()
            process.stdin.close()
            code_of_exit = process.wait()
            if not code_of_exit:
                (written,) = out.glob("*.json")
                return json.loads(written.read_text(encoding="utf-8"))["figures"]
            if code_of_exit > 0:
                raise RuntimeError(f"{name} {' '.join(arguments)}: {errors[-2000:]}")
    killer = signal.Signals(-code_of_exit).name
    raise RuntimeError(
        f"{name} {' '.join(arguments)}: its process was killed {ATTEMPTS} times, the last "
        f"time by {killer}. The system does so where memory is short: use fewer --workers."
    )
