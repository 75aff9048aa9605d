"""`python -m ballot_verifier`, the same as the command `verify-ballots`."""

from __future__ import annotations

import sys

from ballot_verifier.command import main

if __name__ == "__main__":  # processes of the crew import this file, too
    sys.exit(main())
