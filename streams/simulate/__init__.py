"""Traffic of contact centers with known theory, as fast as needed and the same for the same seed."""
