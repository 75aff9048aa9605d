"""A meeting to play with: synthetic data through the real parts, for `make demo` and `make smoke`."""
