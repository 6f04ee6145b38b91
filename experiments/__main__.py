"""``python -m experiments NAME``: each experiment is a command in a file of its own."""

import importlib
from pathlib import Path

import click

from experiments._lib.command_line import plain_faults

FOLDER = Path(__file__).parent
# every file is a command unless its name begins with an underscore
FILES = [path for path in FOLDER.glob("*/[!_]*.py") if path.parent.name != "_lib"]
MODULES = {path.stem: f"experiments.{path.parent.name}.{path.stem}" for path in FILES}
NAMES = sorted(MODULES)


class Experiments(click.Group):
    """A group that imports an experiment only when it is needed."""

    def list_commands(self, ctx):
        """List the names of all experiments."""
        return NAMES

    def get_command(self, ctx, name):
        """Import an experiment and return its command."""
        if name not in NAMES:
            return None
        return importlib.import_module(MODULES[name]).main

    def invoke(self, ctx):
        """Run a command; a full disk, for example, is said in one line."""
        with plain_faults():
            return super().invoke(ctx)

    def format_commands(self, ctx, formatter):
        """List the commands with the whole first line of their help."""
        helps = {name: self.get_command(ctx, name).help for name in NAMES}
        with formatter.section("Commands"):
            formatter.write_dl([(name, h.splitlines()[0]) for name, h in helps.items()])


@click.command(cls=Experiments)
def main():
    """Run an experiment: print its table, write a JSON file and a figure."""


if __name__ == "__main__":
    main(prog_name="python -m experiments")
