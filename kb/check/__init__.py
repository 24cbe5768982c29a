"""Finds what is wrong with the documents before they are compiled, and says where."""

from kb.check.finding import Finding as Finding
from kb.check.folder import check as check
