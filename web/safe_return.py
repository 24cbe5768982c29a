"""Where a person came from, as far as it is a page of ours: nobody is sent elsewhere by a made-up address."""

_LONGEST = 2000


def safe_return(address: str, otherwise: str = "/") -> str:
    """The address, if it is a path on this host."""
    # Two slashes begin a host's name. Browsers read a backslash as a slash, and drop what can't be printed, so that
    # `/\\host` and `/\t/host` would leave this one, too.
    is_path = address.startswith("/") and not address.startswith("//")
    is_plain = len(address) <= _LONGEST and address.isprintable() and "\\" not in address
    return address if is_path and is_plain else otherwise
