"""``python -m experiments._run._sweep_task NAME OPTIONS``: ends when its caller does.

The caller holds the other end of the standard input, so that a killed worker of a sweep
takes its experiment with it.
"""

import os
import signal
import threading

from experiments.__main__ import main


def watch():
    """Wait until the caller has ended, then kill this process and those it started."""
    while os.read(0, 1):  # the lock of sys.stdin would be held in forked processes
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=watch, daemon=True).start()
    main(prog_name="python -m experiments")
