"""How long a past is remembered."""
