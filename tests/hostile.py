"""Text that would do harm, or would not be seen, if it were printed as it is."""

import unicodedata

TERMINAL = {
    "escape sequences": "a\x1b[31mred\x1b[0m\x1b]52;c;cm0=\x07",
    "controls": "b\r\x08\x7f\x85\x9b1m",
    "line ends": "two\nlines\x0b\x0c\u2028\u2029end\t",
    "direction": "c\u202etxt\u202c\u2066exe\u2069\u200e\u200f\u061c",
    "no width": "d\u200b\u00ad\u2062\u200d\ufeff\u034f\ufe0f\u3164\U000e0041\U000e0100",
    "no meaning": "e\ue000\u0378\ufdd0\U0010fffd",
}
"""What a terminal obeys, and what no one sees anywhere."""

MARKUP = {
    "elements": "<script>alert(1)</script><img src=x onerror=alert(1)><!-- a --> \"'&",
    "entities": "&#x202e;txt&lt;b&gt; &amp;",
    "formula": "$\\frac{1}{$ $x$",
    "links": "[x](javascript:alert(1)) ![i](http://127.0.0.1/x.png) <http://x.example>",
    "addresses": "http://evil.example/a www.evil.example WWW.evil.example FTP://evil.example",
    "people": "@user a@b.example mailto:a@b.example #12 GH-12 o/r#1 :smile:",
    "emphasis": "*a* __b__ `c` ~~d~~ | e \\| f \\",
    "item": "- item",
    "number": "1. item",
    "rule": "---",
    "heading": "# heading",
    "quote": "> quote",
    "names in SVG": 'id="x" href="#y" url(#z) </text>',
    "quoted": '" onload="alert(1)',
}
"""What HTML, Markdown, SVG or formulas read as more than text."""

TEXTS = TERMINAL | MARKUP

WORDS = "Wörter, слова, 単語, 단어, शब्द, كلمات, מילים, từ ngữ, λέξεις, 🙂"
"""Text of many languages, which is shown as it is."""


def unseen(text: str) -> set[str]:
    """Characters of a text, but line ends, that act on a terminal or that no one sees."""
    kinds, fillers = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}, "\u034f\u3164\ufe0f\U000e0100"
    return {
        sign
        for sign in text.replace("\n", "")
        if unicodedata.category(sign) in kinds or sign in fillers
    }
