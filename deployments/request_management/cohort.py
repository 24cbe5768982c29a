"""The cohort of a resident, by which a share of them gets models on trial, each always the same."""

import hashlib

from core.models_config import COHORTS


def cohort_of(resident_id: str) -> int:
    """0 to 9,999, evenly spread; the same in every process, and the resident can't be told from it."""
    digest = hashlib.sha256(f"cohort:{resident_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % COHORTS
