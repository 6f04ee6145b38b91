"""How long a history is remembered."""
