"""What `make demo` starts and stops."""
