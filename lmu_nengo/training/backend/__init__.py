"""How NengoDL builds and runs windowed memories, cells and whole sequences."""
