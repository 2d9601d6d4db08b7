"""Characters that cannot be seen, or that disturb the text around them."""

import re
import unicodedata

BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)
"""Letters and marks that fonts show as nothing: fillers, and selectors of variants."""


def show_unseen(text: str, *, lines: bool = False) -> str:
    r"""Write characters that nobody sees as Python writes them in a string.

    These are controls and line ends, signs without width, signs that turn the direction of
    reading, halves of characters, and what has no meaning in Unicode. All other text, of any
    language, stays as it is; so does text that has been through this function.

    Parameters
    ----------
    text : str
        From a file, or from a user.
    lines : bool
        Whether line ends stay.

    Returns
    -------
    str

    Examples
    --------
    >>> print(show_unseen("a\u202eb\nc"))
    a\u202eb\nc
    """
    if text.isprintable() and BLANK.search(text) is None:
        return text
    return "".join(
        sign
        if (sign.isprintable() or unicodedata.category(sign) == "Zs" or (lines and sign == "\n"))
        and BLANK.match(sign) is None
        else sign.encode("unicode_escape").decode()
        for sign in text
    )
