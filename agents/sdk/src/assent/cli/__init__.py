"""The command line: ask, wait, decide, follow, verify, and find out what is wrong.

Exit codes: 0 yes (it may run, was done, is valid, is well); 1 no (it may not run, is not valid, something is to be
mended); 2 the command was not understood; 3 nobody has decided yet; 4 Assent is out of reach; 5 Assent understood the
call and refuses it; 6 no address, key, token or file; 130 interrupted. `run` ends as its command does.
"""

import argparse
import os
import sys
from collections.abc import Sequence

import httpx

from assent.cli import asking, doctor, people, proof, shell, tail
from assent.cli.out import Out
from assent.errors import (
    AssentError,
    BadRequest,
    BrokenJournal,
    Denied,
    NotConfigured,
    PermitRefused,
    StillPending,
    Unavailable,
)

YES, NO, USAGE, PENDING, AWAY, REFUSED, UNSET, INTERRUPTED = 0, 1, 2, 3, 4, 5, 6, 130
_CODES: tuple[tuple[type[AssentError], int], ...] = (
    (Denied, NO),
    (PermitRefused, NO),
    (StillPending, PENDING),
    (Unavailable, AWAY),
    (BadRequest, REFUSED),
    (NotConfigured, UNSET),
    (BrokenJournal, UNSET),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="assent", description=(__doc__ or "").splitlines()[0], epilog=(__doc__ or "").partition("\n\n")[2]
    )
    # On every command as well, so that it may stand where one thinks of it.
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="one JSON document a line instead of words")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for module in (asking, shell, people, tail, proof, doctor):
        module.add(commands, common)
    options = parser.parse_args(arguments)
    out = Out(as_json=options.json)
    try:
        code: int = options.run(options, out)
    except AssentError as error:
        out.error(error)
        return next((code for kind, code in _CODES if isinstance(error, kind)), NO)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read has seen enough; Python would complain again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return YES
    except (OSError, ValueError, httpx.InvalidURL) as error:
        # A file that cannot be written, an address that is none: the reason is all that helps.
        out.error(AssentError(str(error)))
        return UNSET
    return code
