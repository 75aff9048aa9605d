"""The ballot log (选票日志): every ballot a leaf of a signed tree, so that anyone can check.

The format, byte by byte, is docs/ballot-log.md; names here are those of that page.
"""
