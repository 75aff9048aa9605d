"""A meeting to play with, synthetic data through real parts: `make demo` and `make smoke`."""
