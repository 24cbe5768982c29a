"""What a manifest keeps of its models' own answers."""

from typing import Any

import pytest

from adapters.artefacts import Manifest, load, reference_of
from core.errors import ArtefactRefused
from core.settings import Settings
from deployments.ai_processing.text import HEADS


def manifest(**details: Any) -> Manifest:
    return Manifest(name="text", version="0" * 12, inputs_hash="", files={}, built_with={}, details=details)


def test_models_without_a_reference_have_an_empty_one() -> None:
    assert reference_of(manifest(terms=3)) == {}
    assert reference_of(manifest(reference={"category": {"Billing": 1.0}})) == {"category": {"Billing": 1.0}}


@pytest.mark.parametrize("reference", [3, {"category": 0.5}, {"category": {"Billing": "much"}}])
def test_a_reference_of_another_form_is_refused(reference: object) -> None:
    with pytest.raises(ArtefactRefused, match="reference"):
        reference_of(manifest(reference=reference))


def test_the_built_models_keep_what_part_got_each_label(built_settings: Settings) -> None:
    reference = reference_of(load(built_settings.artefacts_dir / "text", "text"))
    assert {head: set(shares) for head, shares in reference.items()} == {
        str(head): {str(label) for label in labels} for head, labels in HEADS.items()
    }
    for shares in reference.values():
        assert sum(shares.values()) == pytest.approx(1.0, abs=1e-4)
        assert min(shares.values()) > 0
