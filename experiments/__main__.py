"""``python -m experiments NAME``: each experiment is a command in a file of its own."""

import importlib
from pathlib import Path

import click

HELPERS = (
    "__init__",
    "__main__",
    "chaos",
    "common",
    "delays",
    "digits_distortion",
    "digits_models",
    "digits_network",
    "digits_target",
    "keras_models",
    "mackey_glass_models",
    "recall",
    "seq2seq_models",
    "sweep_figure",
    "sweep_task",
    "timed_training",
)
NAMES = sorted(
    path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in HELPERS
)


class Experiments(click.Group):
    """Imports an experiment only when it is asked for."""

    def list_commands(self, ctx):
        """Names of all experiments."""
        return NAMES

    def get_command(self, ctx, name):
        """Command of one experiment."""
        if name not in NAMES:
            return None
        return importlib.import_module(f"experiments.{name}").main


@click.command(cls=Experiments)
def main():
    """Run a published experiment, print its table, write JSON and a figure."""


if __name__ == "__main__":
    main(prog_name="python -m experiments")
