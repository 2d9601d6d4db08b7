"""Names that carry settings, as the shell and saved files write them: ``name:key=value,key=value``.

A percent sign or a comma of a value is written as ``%25`` or ``%2C``.
"""

from urllib.parse import unquote

_HIDDEN = {ord(sign): f"%{ord(sign):02X}" for sign in "%,"}


def spelled(name: str, **settings: str | float) -> str:
    """A name with its settings, as `settings_of` reads it.

    Examples
    --------
    >>> spelled("autoregressive", by="run", order="loss, smoothed")
    'autoregressive:by=run,order=loss%2C smoothed'
    """
    pairs = ",".join(f"{key}={str(value).translate(_HIDDEN)}" for key, value in settings.items())
    return f"{name}:{pairs}" if pairs else name


def settings_of(text: str) -> tuple[str, dict[str, str]]:
    """The name and the settings of such a text.

    Raises
    ------
    ValueError
        If a setting has no equals sign, or stands there twice.

    Examples
    --------
    >>> settings_of("transformer:vocab=32000,context=2048")
    ('transformer', {'vocab': '32000', 'context': '2048'})
    """
    name, _, rest = text.partition(":")
    found: dict[str, str] = {}
    for pair in filter(None, rest.split(",")):
        key, equals, value = pair.partition("=")
        if not equals or key.strip() in found:
            raise ValueError(f"{pair!r} is no KEY=VALUE, or the second of its key")
        found[key.strip()] = unquote(value)
    return name, found
