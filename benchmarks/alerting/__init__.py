"""How well the alert of an abandonment spike does: simulated months with known incidents, through the engine and the real rules."""
