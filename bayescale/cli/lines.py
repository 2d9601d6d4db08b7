"""Lines of the shell, in which text from files and users is only shown.

Everything that a command prints goes through here, but JSON, which has escapes of its own, and the
progress bar, which holds no such text. Nothing heavy is imported.
"""

import re
import sys

from bayescale.documents.escaping import show_unseen


def print_text(text: str) -> None:
    """Print an answer on standard output."""
    print(show_unseen(text, lines=True))


def print_complaint(message: object, *_: object, **__: object) -> None:
    """Print a warning or a refusal on standard error, in one line.

    It also takes what Python knows besides about a warning, and leaves it out.
    """
    line = show_unseen(re.sub(r"[ \n]+", " ", str(message)))
    print(f"bayescale: {line}", file=sys.stderr)
