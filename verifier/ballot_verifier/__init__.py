"""Checks the ballot log (选票日志) of a shareholder meeting from a bundle, without the server."""
