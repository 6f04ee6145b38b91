"""How a network is computed in training, whichever library computes it."""
