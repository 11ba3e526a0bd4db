#!/usr/bin/env python3
"""Run Assent: `python3 manage.py up` installs and starts everything, `python3 manage.py test` runs the tests."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - whoever has an older Python reads this line and no stack trace
    sys.exit(f"Assent needs Python 3.11 or newer, and this is Python {sys.version.split()[0]}.")

from console.startup import bootstrap

if __name__ == "__main__":
    bootstrap.main(sys.argv)
