"""Templates: what a person wrote is shown, whichever way it comes into a page."""

from web.rendering import _environment


def test_a_text_that_is_looked_up_for_translation_is_escaped() -> None:
    for language in ("en", "es"):
        template = _environment(language, "America/New_York").from_string(
            "{{ _(text) }} {{ _('%(name)s came', name=text) }} {{ ngettext('%(num)s and ' ~ text, 'x', 1) }}"
        )
        shown = template.render(text="<script>alert(1)</script>")
        assert "<script>" not in shown
        assert shown.count("&lt;script&gt;") == 3


def test_an_apostrophe_is_escaped_once() -> None:
    shown = _environment("en", "America/New_York").from_string("""{{ _("That's wrong") }}""").render()
    assert shown == "That&#39;s wrong"
