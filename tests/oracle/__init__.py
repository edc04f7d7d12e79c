"""A slow computation of every figure, written from the definitions alone, to which the engine must be equal."""
