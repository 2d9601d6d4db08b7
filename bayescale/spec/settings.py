"""Names that carry settings, as the shell and saved files write them: ``name:key=value,key=value``.

A percent sign or a comma of a value is written as ``%25`` or ``%2C``.
"""

from urllib.parse import unquote


def name_with_settings(name: str, **values: str | float) -> str:
    """Write a name with its settings, as `read_settings` reads it.

    Parameters
    ----------
    name : str
        The name.
    **values : str or float
        The settings.

    Returns
    -------
    str

    Examples
    --------
    >>> name_with_settings("autoregressive", by="run", order="loss, smoothed")
    'autoregressive:by=run,order=loss%2C smoothed'
    """
    escaped = {
        key: str(text).replace("%", "%25").replace(",", "%2C") for key, text in values.items()
    }
    pairs = ",".join(f"{key}={text}" for key, text in escaped.items())
    return f"{name}:{pairs}" if pairs else name


def read_settings(text: str) -> tuple[str, dict[str, str]]:
    """Read a name with its settings.

    Parameters
    ----------
    text : str
        As `name_with_settings` writes it.

    Returns
    -------
    str, dict of str to str
        The name and the settings.

    Raises
    ------
    ValueError
        If a setting has no equals sign, or appears twice.

    Examples
    --------
    >>> read_settings("transformer:vocab=32000,context=2048")
    ('transformer', {'vocab': '32000', 'context': '2048'})
    """
    name, _, rest = text.partition(":")
    settings: dict[str, str] = {}
    for pair in filter(None, rest.split(",")):
        key, equals, value = pair.partition("=")
        if not equals or key.strip() in settings:
            raise ValueError(f"{pair!r} is no KEY=VALUE, or the second of its key")
        settings[key.strip()] = unquote(value)
    return name, settings
