"""``python -m experiments._run._sweep_task NAME OPTIONS``: ends when the caller does.

The caller holds the other end of the standard input. A killed worker of a sweep so takes
its experiment with it.
"""

import os
import signal
import threading

from experiments.__main__ import main


def watch():
    """Wait for the caller's end, and end with all processes that were started here."""
    while os.read(0, 1):  # sys.stdin has a lock, which would be held in forked processes
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=watch, daemon=True).start()
    main(prog_name="python -m experiments")
