"""History: figures of files or of a range of the events topic, from the engine that the worker runs."""
