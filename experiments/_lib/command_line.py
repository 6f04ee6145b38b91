"""What the commands of all experiments share: the console, options and plain errors."""

import errno
import functools
import importlib.util
from contextlib import contextmanager
from pathlib import Path

import click
import filelock
from nengo.exceptions import ValidationError
from rich.console import Console

from lmu_nengo import targets

console = Console()


def shared_options(command):
    """
    Add the options ``--quick``, ``--seed`` and ``--out`` to a command.

    Only one command of a name writes to a folder at a time.
    """

    @functools.wraps(command)
    def alone(*args, out, **options):
        with only_writer(out / click.get_current_context().info_name):
            return command(*args, out=out, **options)

    decorated = alone
    for option in (
        click.option(
            "--out",
            type=click.Path(file_okay=False, path_type=Path),
            default=Path("results"),
            show_default=True,
            help="Folder for the JSON file and the figure.",
        ),
        click.option(
            "--seed",
            type=int,
            default=0,
            show_default=True,
            help="Seed of everything random.",
        ),
        click.option("--quick", is_flag=True, help="Run a small version, as a check."),
    ):
        decorated = option(decorated)
    return decorated


# how to install NengoDL and PyTorch, without the full stop
NEEDED = 'pip install -e ".[dl,experiments]"; its license is for non-commercial use only'
TORCH = "pip install torch==2.13.0"
TRAINER = 'pip install -e ".[train,experiments]"'

resume_option = click.option(
    "--resume", is_flag=True, help="Continue an interrupted run from its checkpoint."
)


def seeds_option(default=3):
    """
    Make the option ``--seeds``, the argument ``n_seeds``.

    Parameters
    ----------
    default : int
        Number of seeds if the option is not given.

    Returns
    -------
    option : callable
        Decorator of a command.
    """
    return click.option(
        "--seeds",
        "n_seeds",
        type=click.IntRange(1),
        default=default,
        show_default=True,
        help="Number of seeds, from --seed on.",
    )


def minutes_option(default, help):
    """
    Make the option ``--minutes`` of processor time.

    Parameters
    ----------
    default : float
        Minutes if the option is not given.
    help : str
        What they are for.

    Returns
    -------
    option : callable
        Decorator of a command.
    """
    return click.option(
        "--minutes",
        type=click.FloatRange(min=0, min_open=True),
        default=default,
        show_default=True,
        help=help,
    )


def engine_option(other="core", other_name="core Nengo"):
    """
    Make the option ``--engine``, which says what runs spiking networks.

    Parameters
    ----------
    other : str
        The alternative to ``jax``, the compiled engine.
    other_name : str
        The same in words.

    Returns
    -------
    option : function
        A decorator for a command; the engine is the argument ``engine``.
    """
    return click.option(
        "--engine",
        type=click.Choice(("jax", other)),
        default=lambda: "jax" if targets.installed("jax") else other,
        show_default="jax if it is installed",
        help=f"What runs the networks: the compiled engine (jax) or {other_name}.",
    )


class NotInstalled(click.ClickException):
    """What an experiment needs is not installed."""

    exit_code = 3


def need_nengo_dl(what="This experiment"):
    """
    Refuse to begin without NengoDL.

    Parameters
    ----------
    what : str
        What needs it.

    Raises
    ------
    NotInstalled
        If NengoDL is not installed; says how to install it.
    """
    if not targets.installed("dl"):
        raise NotInstalled(f"{what} needs NengoDL: {NEEDED}.")


def need_trainer():
    """
    Refuse to begin without what `lmu_nengo.training.Trainer` needs.

    Raises
    ------
    NotInstalled
        If JAX or optax is not installed; says how to install them.
    """
    if not all(map(importlib.util.find_spec, ("jax", "optax"))):
        raise NotInstalled(f"This experiment needs JAX and optax: {TRAINER}.")


def need_torch():
    """
    Refuse to begin without PyTorch.

    Raises
    ------
    NotInstalled
        If PyTorch is not installed; says how to install it.
    """
    if not importlib.util.find_spec("torch"):
        raise NotInstalled(f"This experiment needs PyTorch: {TORCH}.")


@contextmanager
def only_writer(path):
    """
    Hold the lock of what is written, which ends with this process.

    Parameters
    ----------
    path : pathlib.Path
        What is written. The lock is a file beside it, ``.NAME.lock``.

    Raises
    ------
    click.ClickException
        If another process holds it, or its folder cannot be written.
    """
    lock = filelock.FileLock(path.with_name(f".{path.name}.lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise click.ClickException(
            f"Another command is writing {path}. Wait until it ends, or give another --out."
        ) from None
    except OSError as error:
        raise click.ClickException(
            f"{path.parent} cannot be written ({error.strerror}). Give another --out."
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def plain_errors():
    """Turn an interruption or a ValidationError into one line without a traceback."""
    try:
        yield
    except KeyboardInterrupt:
        raise click.ClickException(
            "Interrupted. Run the same command with --resume to continue."
        ) from None
    except ValidationError as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def plain_faults():
    """Turn what the library or the system refuses into one line without a traceback."""
    try:
        yield
    except ValidationError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        if error.errno == errno.EPIPE:  # click ends silently
            raise
        where = f"{error.filename}: " if error.filename else ""
        raise click.ClickException(
            f"{where}{error.strerror or error}. If a disk is full or cannot be written, "
            "free some space, or give another --out."
        ) from error


def refuse_given(options, reason):
    """
    Refuse options that would be ignored.

    Parameters
    ----------
    options : iterable of str
        Names of the running command's options.
    reason : str
        Why they would be ignored; a sentence without its full stop.

    Raises
    ------
    click.UsageError
        If one of them was given.
    """
    context = click.get_current_context()
    default = click.core.ParameterSource.DEFAULT
    given = [name for name in options if context.get_parameter_source(name) != default]
    if given:
        names = ", ".join("--" + name.replace("_", "-") for name in given)
        raise click.UsageError(f"{reason}. Leave out {names}.")
