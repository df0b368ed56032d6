"""Raw errors that are being fixed, by function, argument and kind of bad value: to be emptied as the fixes meet."""

KNOWN: dict[str, dict[str, str]] = {}
