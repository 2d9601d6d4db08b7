"""Characters that cannot be seen, or that disturb the text around them."""

import re
from typing import Any

from markupsafe import Markup


def show_unseen(value: Any) -> Any:
    r"""Text with control characters, and those that turn the reading direction, as their number.

    Anything that is no text, and markup of our own, is returned as it is.

    Examples
    --------
    >>> show_unseen("a\u202eb")
    'a[U+202E]b'
    """
    if isinstance(value, str) and not isinstance(value, Markup):
        value = value.encode(errors="replace").decode()  # half a character cannot be written
        unseen = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
        return re.sub(unseen, lambda match: f"[U+{ord(match.group()):04X}]", value)
    return value
