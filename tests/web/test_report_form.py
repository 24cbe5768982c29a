"""What a report's form holds."""

from dataclasses import replace

from web.forms import Form
from web.language import words_in
from web.report_form import Photo, Report, Wishes, choices, read_report, wishes_of
from web.wording import DAYS

ENGLISH = words_in("en", "America/New_York")


def test_the_same_form_with_the_same_content_has_one_key() -> None:
    report = Report(text="tap", key="k" * 24)
    assert report.key_for(report.body()) == report.key_for(replace(report, answer="new").body() | {})
    assert report.key_for(report.body()) != report.key_for(replace(report, text="taps").body())
    assert report.key_for(report.body()).startswith("k" * 24)


def test_wishes_come_back_as_they_were_sent() -> None:
    wishes = Wishes("no", ("Monday",), ("Sunday",), ("8:00-12:00",), True, "dog", "Ann")
    sent = wishes.preferences()
    assert sent is not None
    assert wishes_of([{"preferences": None}, {"preferences": sent}]) == wishes
    assert wishes_of([]) == Wishes()
    assert Wishes().preferences() is None
    assert wishes_of([{"preferences": {"allow_entry_when_absent": None}}]).entry == ""


def test_wishes_in_other_words_can_be_ticked_too() -> None:
    offered = choices(DAYS, ("Monday", "every second Tuesday"), ENGLISH)
    assert offered[0] == ("Monday", "Monday")
    assert offered[-1] == ("every second Tuesday", "every second Tuesday")
    assert len(offered) == 8


def test_a_dropped_photo_is_not_among_those_to_be_sent() -> None:
    lists = {"photo": ("ATT_1 a b.jpg", "ATT_2", "ATT_1 a b.jpg", " "), "drop": ("ATT_2", "ATT_9")}
    found = read_report(Form({"message_text": " tap \n"}, lists))
    assert found.text == "tap"
    assert found.photos == (Photo("ATT_1", "a b.jpg"),)
    assert found.dropped == ("ATT_2",)


def test_only_a_later_request_of_the_same_words_is_this_forms_own() -> None:
    report = Report(text="tap", shown_at="2026-05-04T14:00:00Z")
    assert report.was_sent_as("tap", "2026-05-04T14:00:01Z")
    assert not report.was_sent_as("tap", "2026-05-04T13:59:59Z")
    assert not report.was_sent_as("tub", "2026-05-04T14:00:01Z")
    for odd in ("", "yesterday", "2026-05-04T14:00:00"):
        assert not replace(report, shown_at=odd).was_sent_as("tap", "2026-05-04T14:00:01Z")


def test_only_the_same_words_are_the_same_message() -> None:
    report = Report(text="The  tap drips!")
    assert report.says_the_same("the tap drips")
    assert not report.says_the_same("the tap drips again")
