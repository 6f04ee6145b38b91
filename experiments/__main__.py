"""``python -m experiments NAME``: each experiment is a command in a file of its own."""

import importlib
from pathlib import Path

import click

FOLDER = Path(__file__).parent
# every file is a command, unless its name begins with an underscore
FILES = [path for path in FOLDER.glob("*/[!_]*.py") if path.parent.name != "_lib"]
MODULES = {path.stem: f"experiments.{path.parent.name}.{path.stem}" for path in FILES}
NAMES = sorted(MODULES)


class Experiments(click.Group):
    """Imports an experiment only when it is asked for."""

    def list_commands(self, ctx):
        """Names of all experiments."""
        return NAMES

    def get_command(self, ctx, name):
        """Command of one experiment."""
        if name not in NAMES:
            return None
        return importlib.import_module(MODULES[name]).main


@click.command(cls=Experiments)
def main():
    """Run a published experiment, print its table, write JSON and a figure."""


if __name__ == "__main__":
    main(prog_name="python -m experiments")
