"""Changing models while they serve: the old ones answer until the new ones can, and stay where these are refused."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from core.errors import ArtefactRefused, ServiceUnavailable, Unavailable
from core.messages import Assessment
from core.models_config import ModelsConfig
from core.settings import Settings
from deployments.ai_processing.deployment import AIProcessing
from deployments.ai_processing.models_in_service import ModelsInService
from tests.artefact_copies import another_version, copy_artefacts
from tests.deployments.ai_processing.conftest import item
from tests.deployments.ai_processing.models_on_trial import NamedJudge, Notes, Shelf


async def ask(models: Any, **chosen: Any) -> str:
    (answer,) = await models.assess([item("the tap drips", **chosen)])
    assert isinstance(answer, Assessment)
    return answer.classification.model_version


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(
        a=NamedJudge("a"),
        b=NamedJudge("b"),
        tampered=ArtefactRefused("It was altered."),
        unreachable=Unavailable("S3 does not answer."),
        buggy=ValueError("an internal matter"),
        failing=NamedJudge("failing", broken_by="late fee"),
        exploding=NamedJudge("exploding", explodes=True),
        mute=NamedJudge("mute", is_short=True),
    )


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
async def models(shelf: Shelf, notes: Notes) -> ModelsInService:
    service = ModelsInService(shelf, notes)
    await service.configure({"text": "a"})
    return service


async def test_before_the_first_models_nothing_is_answered(shelf: Shelf, notes: Notes) -> None:
    service = ModelsInService(shelf, notes)
    with pytest.raises(ServiceUnavailable):
        await service.assess([item("x")])


async def test_a_version_takes_the_place_of_another(models: ModelsInService, notes: Notes) -> None:
    assert await ask(models) == "a"
    await models.configure({"text": "b"})
    await models.settled()
    assert await ask(models) == "b"
    assert (models.refusal, notes.is_refused) == (None, False)


async def test_the_old_version_answers_while_the_new_one_is_loaded(models: ModelsInService, shelf: Shelf) -> None:
    shelf.opened.clear()
    await models.configure({"text": "b"})
    assert [await ask(models) for _ in range(5)] == ["a"] * 5
    assert "being loaded" in models.describe()
    shelf.opened.set()
    await models.settled()
    assert await ask(models) == "b"
    assert "being loaded" not in models.describe()


async def test_a_call_in_hand_ends_on_the_version_with_which_it_began(models: ModelsInService, shelf: Shelf) -> None:
    slow = shelf.judges["a"]
    assert isinstance(slow, NamedJudge)
    slow.gate = asyncio.Event()
    in_hand = asyncio.create_task(ask(models))
    await asyncio.sleep(0)
    await models.configure({"text": "b"})
    await models.settled()
    assert await ask(models) == "b"
    slow.gate.set()
    assert await in_hand == "a"


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"text": "tampered"}, "altered"),
        ({"text": "unreachable"}, "S3"),
        ({"text": "buggy"}, "ValueError"),
        ({"text": "failing"}, "failed on a message"),
        ({"text": "exploding"}, "RuntimeError"),
        ({"text": "mute"}, "0 answers"),
        ({"text": "b", "canary": {"text": "tampered", "percent": 5}}, "altered"),
        ({"text": "b", "shadow": {"text": "tampered"}}, "altered"),
        ({"texts": "b"}, "texts"),
        ({"text": "../b"}, "text"),
    ],
)
async def test_what_is_refused_changes_nothing_and_is_told(
    models: ModelsInService, notes: Notes, wanted: dict[str, Any], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    served = models.served
    await models.configure(wanted)
    await models.settled()
    assert models.served is served
    assert await ask(models) == "a"
    assert models.refusal
    assert why in models.refusal
    assert "internal matter" not in models.describe()
    assert notes.is_refused
    assert "ERROR" in {record.levelname for record in caplog.records}
    await models.configure({"text": "b"})
    await models.settled()
    assert (await ask(models), models.refusal, notes.is_refused) == ("b", None, False)


@pytest.mark.parametrize("wanted", [{"text": "tampered"}, {"text": "unreachable"}, {"texts": "a"}])
async def test_with_nothing_to_keep_a_refusal_is_raised(shelf: Shelf, notes: Notes, wanted: dict[str, Any]) -> None:
    with pytest.raises((ArtefactRefused, Unavailable)):
        await ModelsInService(shelf, notes).configure(wanted)


@pytest.mark.parametrize("more", [{"canary": {"text": "tampered", "percent": 5}}, {"shadow": {"text": "tampered"}}])
async def test_a_broken_canary_or_shadow_does_not_keep_a_replica_from_starting(
    shelf: Shelf, notes: Notes, more: dict[str, Any]
) -> None:
    service = ModelsInService(shelf, notes)
    await service.configure({"text": "a", **more})
    assert await ask(service, cohort=0) == "a"
    assert service.refusal
    assert notes.is_refused


async def test_of_several_changes_the_last_one_stays(models: ModelsInService, shelf: Shelf) -> None:
    shelf.opened.clear()
    for text in ("b", "tampered", "b", "a", "b"):
        await models.configure({"text": text})
    shelf.opened.set()
    await models.settled()
    assert await ask(models) == "b"
    assert models.refusal is None


async def test_a_shadow_keeps_its_counts_where_only_the_canary_changes(models: ModelsInService) -> None:
    await models.configure({"text": "a", "shadow": {"text": "b"}})
    await models.settled()
    await ask(models)
    shadow = models.served.shadow
    assert shadow is not None
    await shadow.drained()
    await models.configure({"text": "a", "shadow": {"text": "b"}, "canary": {"text": "b", "percent": 100}})
    await models.settled()
    assert models.served.shadow is shadow
    assert shadow.tally.messages == 1
    assert await ask(models, cohort=9) == "b"
    await models.configure({"text": "b", "shadow": {"text": "a"}})
    await models.settled()
    assert models.served.shadow is not shadow
    models.served.close()


@pytest.fixture
def own_artefacts(settings: Settings, tmp_path: Path) -> Settings:
    return copy_artefacts(settings, tmp_path / "artefacts")


async def test_the_deployment_changes_the_real_models(own_artefacts: Settings) -> None:
    ai = AIProcessing(own_artefacts)
    text, risk = (another_version(own_artefacts.artefacts_dir, name) for name in ("text", "risk"))
    before = await ask(ai)
    assert text not in before
    await ai.reconfigure({"text": f"text-2#{text}", "risk": "risk-2", "canary": {"text": "text", "percent": 50}})
    await ai._models.settled()
    assert text in await ask(ai)
    assert await ask(ai, cohort=4999) == before
    assert text in await ask(ai, cohort=5000)
    (answer,) = await ai.assess([item("the tap drips")])
    assert isinstance(answer, Assessment)
    assert answer.risk.model_version == f"risk-{risk}"
    assert ai.health().status == "healthy"
    assert "second opinions: " in ai.health().detail


async def test_the_deployment_refuses_a_tampered_model(own_artefacts: Settings) -> None:
    ai = AIProcessing(own_artefacts)
    before = await ask(ai)
    another_version(own_artefacts.artefacts_dir, "risk")
    booster = next((own_artefacts.artefacts_dir / "risk-2").glob("*.ubj"))
    booster.write_bytes(booster.read_bytes() + b"\n")
    await ai.reconfigure({"risk": "risk-2"})
    await ai._models.settled()
    health = ai.health()
    assert health.status == "degraded"
    assert booster.name in health.detail
    assert str(own_artefacts.artefacts_dir) not in health.detail
    assert await ask(ai) == before
    with pytest.raises(ArtefactRefused):
        AIProcessing(own_artefacts, ModelsConfig(risk="risk-2"))


async def test_a_replica_waits_for_its_first_configuration(own_artefacts: Settings) -> None:
    ai = AIProcessing(own_artefacts, None)
    with pytest.raises(ServiceUnavailable):
        ai.check_health()
    await ai.reconfigure({})
    ai.check_health()
    assert await ask(ai)


async def test_models_that_two_versions_share_are_loaded_once(own_artefacts: Settings) -> None:
    another_version(own_artefacts.artefacts_dir, "risk")
    ai = AIProcessing(own_artefacts)
    await ai.reconfigure({"canary": {"risk": "risk-2", "percent": 5}})
    await ai._models.settled()
    assert len(ai._factory._texts) == 1
    assert len(ai._factory._risks) == 2
    await ai.reconfigure({"risk": "risk-2"})
    await ai._models.settled()
    assert len(ai._factory._risks) == 1
