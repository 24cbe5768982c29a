"""Parts of the messages that may fare worse than the whole: by voice, length, language, category and so on."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deployments.ai_processing.text import HEADS, HeadName
from models.corpus_reader import Message
from models.text.figures import Interval, macro_f1_interval, share
from models.text.judgements import Judgement, client_labels

LENGTHS = ((4, "1-4 words"), (12, "5-12 words"), (30, "13-30 words"), (60, "31-60 words"))
LONGEST = "61 words and more"
_WORD = re.compile(r"[^\W\d_]+")
_SPANISH = frozenset(
    """
    el la los las un una unos unas de del al que y en no se por para con mi mis su sus me te lo le les muy pero porque
    cuando donde como esta este esto eso esa hay tengo tiene tienen puede pueden quiero necesito favor gracias hola
    buenos buenas dias tardes noches agua luz casa cocina baño puerta otra vez desde hace ya mas más está están qué
    cómo cuándo dónde sí
    """.split()  # noqa: SIM905 - a list of words is read more easily as text
)
_ENGLISH = frozenset(
    """
    the a an of to and in is it my i you we they this that there have has for with on at be are was not no do does
    please can could would will our your from but since when where what how why been so if about just me
    """.split()  # noqa: SIM905
)
_ONLY_SPANISH = re.compile(r"[¿¡ñ]|ción\b")


@dataclass(frozen=True)
class Slice:
    """Some of the messages, and how often their labels were right."""

    by: str
    name: str
    messages: int
    right: dict[HeadName, Interval]
    """Share of messages with the right label, by head; of Maintenance messages for the trade."""
    all_right: Interval
    category_f1: Interval
    """Macro-F1 over the categories that occur in the slice."""


def slices(judged: Sequence[Judgement]) -> tuple[Slice, ...]:
    """Every slice, by what it is cut."""
    cuts: dict[str, Callable[[Message], str]] = {
        "voice": lambda message: message.voice,
        "length": lambda message: length_band(message.text),
        "language": lambda message: language(message.text),
        "category": lambda message: message.category,
        "urgency": lambda message: message.urgency,
        "issues": lambda message: "several issues" if message.issues else "one issue",
    }
    return tuple(each for by, cut in cuts.items() for each in _cut(by, cut, judged))


def length_band(text: str) -> str:
    """How long the text is, in words."""
    words = len(text.split())
    return next((name for most, name in LENGTHS if words <= most), LONGEST)


def language(text: str) -> str:
    """Spanish where its small words outnumber the English ones, or only its letters tell; else English."""
    words = [word.lower() for word in _WORD.findall(text)]
    spanish = sum(word in _SPANISH for word in words) + 2 * bool(_ONLY_SPANISH.search(text.lower()))
    return "Spanish" if spanish > sum(word in _ENGLISH for word in words) else "English"


def _cut(by: str, cut: Callable[[Message], str], judged: Sequence[Judgement]) -> list[Slice]:
    parts: dict[str, list[Judgement]] = defaultdict(list)
    for each in judged:
        parts[cut(each.message)].append(each)
    order = [*(name for _, name in LENGTHS), LONGEST, *HEADS["category"], *HEADS["urgency"]]
    ranked = sorted(parts.items(), key=lambda item: (order.index(item[0]) if item[0] in order else -1, item[0]))
    return [_slice(by, str(name), part) for name, part in ranked]


def _slice(by: str, name: str, part: Sequence[Judgement]) -> Slice:
    return Slice(
        by=by,
        name=name,
        messages=len(part),
        right={head: _right(head, part) for head in HEADS},
        all_right=share(sum(each.all_right for each in part), len(part)),
        category_f1=macro_f1_interval(*client_labels("category", part), len(HEADS["category"])),
    )


def _right(head: HeadName, part: Sequence[Judgement]) -> Interval:
    known = [each for each in part if getattr(each.message, head) is not None]
    return share(sum(each.right(head) for each in known), len(known))
