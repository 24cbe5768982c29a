"""What the check reports."""

from typing import Literal

from core.contract import Contract


class Finding(Contract):
    """One thing that is wrong with the documents."""

    code: str
    """A stable word for the kind of fault."""
    severity: Literal["error", "warning"]
    """An error stops the build."""
    document: str
    """The file name or document id, or `-` where it is the folder's."""
    message: str
    line: int | None = None
    """Of the file, from 1; None where it is no single line's."""


def error(code: str, document: str, message: str, line: int | None = None) -> Finding:
    """A finding that stops the build."""
    return Finding(code=code, severity="error", document=document, message=message, line=line)


def warning(code: str, document: str, message: str, line: int | None = None) -> Finding:
    """A finding that a person should look at."""
    return Finding(code=code, severity="warning", document=document, message=message, line=line)
