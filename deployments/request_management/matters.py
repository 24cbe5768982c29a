"""What a message names that tells whether another one is about the same thing: shared systems, reach and places."""

import re
from dataclasses import dataclass
from functools import lru_cache

SYSTEMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "heat": (
        "Heating",
        (
            r"\bheat(?:ing|er)?\b",
            r"radiators?\b",
            r"boiler|furnace|calefacci|\bfreezing\b",
            r"vents? blow(?:ing)? cold",
        ),
    ),
    "hot_water": (
        "Hot water",
        (
            r"(?:hot|warm) water|water heater|agua caliente",
            r"\bcold (?:water|shower)",
            r"showers? (?:\w+ )*(?:ice )?cold",
        ),
    ),
    "water": (
        "Water supply",
        (
            r"\b(?:no|zero) (?:running )?water\b|water (?:is |was )?(?:shut|turned|cut)|water(?:'s| is)? (?:off|out)\b",
            r"nothing comes out|(?:taps?|faucets?) (?:\w+ )?dry|water (?:outage|main)",
            r"sin agua|no (?:sale|hay|tenemos|tengo) agua|cortaron el agua",
        ),
    ),
    "pressure": ("Water pressure", (r"\bpressure\b|trickl|presi[oó]n|water barely",)),
    "water_quality": (
        "Water quality",
        (
            r"(?:brown|rust\w*|yellow\w*|orange|discolou?red|murky|cloudy)\b.{0,25}\bwater",
            r"water\b.{0,30}\b(?:brown|rust\w*|yellow\w*|orange|discolou?red|murky|smells?|safe|tastes?)",
            r"agua (?:\w+ )*(?:sucia|marr[oó]n|turbia|color|caf[eé])",
        ),
    ),
    "power": (
        "Electricity",
        (
            r"\b(?:no|lost|without|the) (?:power|electricity|lights)\b",
            r"power(?:'s| is| went|) (?:out|off|outage|cut|failure)",
            r"black ?out|lights? (?:are |went |just )*(?:out|off)\b|sin luz|se fue la luz|no hay luz|apag[oó]n",
        ),
    ),
    "elevator": ("Elevator", (r"elevators?\b|\blifts?\b|ascensor|elevador",)),
    "garage": ("Garage", (r"garage|parking (?:gate|door|barrier)|\bgate\b|port[oó]n|estacionamiento",)),
    "internet": ("Internet", (r"internet|wi-?fi|\bonline\b|broadband",)),
    "intercom": (
        "Intercom",
        (r"intercom|buzzer|buzz(?:es|ed)? (?:me|us|in|people)|call ?box|interf[oó]n|portero autom",),
    ),
    "entrance": (
        "Entrance door",
        (
            r"(?:front|main|entrance|entry|lobby|building|back|side) (?:entrance )?(?:door|lock)",
            r"(?:front|main) entrance|door (?:of|to) the building|puerta (?:principal|de entrada|del edificio)",
        ),
    ),
    "laundry": ("Laundry room", (r"laundry|\bwashers\b|\bdryers\b|lavander[ií]a",)),
    "refuse": (
        "Refuse",
        (
            r"\bchutes?\b|dumpster|compactor|garbage (?!disposal)|basura",
            r"(?:trash|recycling|bin) (?:\w+ )?(?:room|area|bins?)",
        ),
    ),
    "locker": ("Parcel room", (r"\blockers?\b|(?:package|parcel|mail) ?room|casillero",)),
    "portal": ("Residents' portal", (r"portal|web ?site|\bsite is\b|\bapp\b",)),
    "pool": ("Pool", (r"\bpool\b|hot tub|jacuzzi|piscina|alberca",)),
    "gym": ("Gym", (r"\bgym\b|fitness|treadmill|gimnasio",)),
    "alarm": ("Fire alarm", (r"(?:fire |corridor |hall\w* )alarm|alarm (?:on|is|keeps|rings|going)|alarma",)),
    "gas": ("Gas", (r"(?:smell\w*|odou?r|reeks?)\b.{0,12}\bgas\b|gas (?:smell|leak|odou?r)|(?:huele|olor) a gas",)),
    "noise": (
        "Noise",
        (r"\bmusic\b|\bparty(?:ing)?\b|\bnois[ey]\w*|\bloud|shout|yell|scream|drum|bark|ruido|fiesta|m[uú]sica",),
    ),
    "common_light": (
        "Lights of common areas",
        (
            r"(?:hall\w*|corridor|stair\w*|lobby|parking|courtyard)\b.{0,40}\b(?:lights?|bulbs?|dark)",
            r"(?:lights?|bulbs?|dark)\b.{0,30}\b(?:hall\w*|corridor|stair\w*|lobby|parking lot|courtyard)",
        ),
    ),
    "cooling": (
        "Air conditioning",
        (r"\ba\.?/?c\b|air con\w*|central air|\bcooling\b|aire acondicionado", r"vents? blow(?:ing)? (?:warm|hot)"),
    ),
    "sewage": (
        "Drains",
        (
            r"sewage|sewer|back(?:s|ed|ing)?[ -]?up|gurgl|bubbl|aguas negras|drenaje",
            r"(?:dirty|black|gr[ae]y) water|coming (?:back )?up (?:out of|from|through)",
        ),
    ),
    "roof": (
        "Roof",
        (
            r"\broof\b|skylight|gotera|(?:rain|storm)\b.{0,50}\b(?:ceiling|leak)",
            r"(?:ceiling|leak\w*)\b.{0,50}\b(?:rain|storm)",
        ),
    ),
    "ceiling": (
        "Water from above",
        (
            r"(?:ceiling|wall).{0,40}(?:drip|leak|water|stain)|(?:drip|leak|water|stain)\w*.{0,40}(?:ceiling|wall)",
            r"overflow|burst|flood|from (?:above|upstairs)|techo",
        ),
    ),
    "courtyard": ("Courtyard", (r"courtyard|\bpatio\b|\blawn\b|garden|playground|\bdog (?:poop|waste|mess)",)),
    "theft": ("Break-ins", (r"br(?:oke|oken|eak)[ -]?(?:in|into)|smashed|catalytic|cat converter|robaron",)),
    "vermin": ("Vermin", (r"\bmice\b|\bmouse\b|\brats?\b|bed ?bugs?|ratones|ratas|chinches",)),
}
"""What several homes share: a name for people, and the words by which messages name it."""

_SYSTEMS = {name: re.compile("|".join(patterns), re.IGNORECASE) for name, (_, patterns) in SYSTEMS.items()}


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(patterns)})\b", re.IGNORECASE)


_WIDE = _words(
    r"whole|entire|every(?:one|body|where)|all (?:of us|the|floors|units|apartments|residents)|building|tower|block",
    r"hall\w*|corridor|lobby|stair\w*|basement|garage|gym|laundry|courtyard|neighbou?rs?",
    r"same (?:problem|here|thing|issue)|us too|me too|either|no notice|was there a notice|anything going on|\w+ floor",
    r"edificio|vecin[oa]s?|todos?|pasillo|tambi[eé]n",
)
_ALONE = _words(
    r"(?:only|just) (?:my|in my|the one|one|our)|only (?:happens )?(?:in|at) (?:my|our)|one of (?:my|our)",
    r"(?:is|are|works?|work) (?:fine|ok|okay)|gets \w+ \w+ fine|else (?:\w+ )*(?:has|have|gets)|although",
    r"the (?:other|rest) .{0,30}warm|solo (?:en )?(?:mi|el|la)",
    r"neighbou?rs? (?:have|has) (?:it|heat|water|power|internet)",
)
_PERSONAL = _words(
    r"package|parcel|envelope|box|delivered|tracking|mailbox|charged?|fee|refund|deposit|statement|receipt|paid|billed?",
    r"lease|renewal|sublet|fob|assigned|my (?:spot|space)|paquete|renta",
)
_ASKS = _words(
    r"how (?:many|do|can|much)|what (?:are|is) the|when is|can (?:i|we)|may (?:i|we)|could (?:i|we)",
    r"is \w+ allowed|are \w+ allowed|i'd like|hours|reserve|book",
)
_OWN = _words(
    r"sink|toilet|faucet|tap|shower head|bathtub|tub|dishwasher|oven|stove|fridge|refrigerator|freezer|ice maker",
    r"microwave|thermostat|breaker|outlets?|smoke detector|modem|password|closet|cabinet|deadbolt|doorbell|hose|trap",
    r"hinge|knob|filter|my (?:apartment |unit )?door|my (?:\w+ )?(?:bedroom|bathroom|kitchen)|balcony|mailbox|account",
    r"in-unit|my unit|llave|grifo|lavabo|inodoro|nevera|estufa|mi (?:cocina|ba[nñ]o|cuarto|rec[aá]mara)",
)
_ORDINALS = {
    "first": "1", "second": "2", "third": "3", "fourth": "4", "fifth": "5", "sixth": "6", "seventh": "7",
    "eighth": "8", "ninth": "9", "tenth": "10",
}  # fmt: skip
_FLOOR = _words(
    rf"(?:(\d{{1,2}})(?:st|nd|rd|th)|({'|'.join(_ORDINALS)})) (?:floor|fl)",
    r"floor (\d{1,2})",
    r"piso (\d{1,2})",
)
_HOME = re.compile(r"\b(\d{1,2}[a-h]|[a-h]?\d{3,4}[a-h]?)\b", re.IGNORECASE)
_PLACES = r"elevator|lift|ascensor|elevador|tower|building|stair\w*|entrance|gate|washer|dryer|machine|treadmill|level"
_SIDES = r"north|south|east|west|left|right|front|rear|freight|service"
_NAMED = re.compile(
    rf"\b(?:{_PLACES}) (?:number |no\.? ?|#)?([a-f]|\d{{1,2}}|{_SIDES})\b(?! (?:minute|hour|day)s?)"
    rf"|\b({_SIDES}) (?:elevator|lift|stair\w*|tower|gate|wing)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Mentions:
    """What one message names."""

    systems: frozenset[str] = frozenset()
    """Keys of `SYSTEMS`."""
    wide: bool = False
    """It speaks of more than the writer's own home."""
    own: bool = False
    """It speaks of a fixture or a paper of the writer's own."""
    alone: bool = False
    """It says that nothing but the writer's own is concerned."""
    personal: bool = False
    """It speaks of what is each person's own: a parcel, a charge, a lease."""
    asks: bool = False
    """It asks for something rather than reports a fault."""
    floors: frozenset[str] = frozenset()
    homes: frozenset[str] = frozenset()
    """Units."""
    named: frozenset[str] = frozenset()
    """Which one of several, such as `a` of elevator A."""


@lru_cache(maxsize=4096)
def mentions_of(text: str) -> Mentions:
    """What the text names, by its words alone; English and Spanish."""
    floors = {next(filter(None, found.groups())).lower() for found in _FLOOR.finditer(text)}
    return Mentions(
        systems=frozenset(name for name, pattern in _SYSTEMS.items() if pattern.search(text)),
        wide=_WIDE.search(text) is not None,
        own=_OWN.search(text) is not None,
        alone=_ALONE.search(text) is not None,
        personal=_PERSONAL.search(text) is not None,
        asks=_ASKS.search(text) is not None,
        floors=frozenset(_ORDINALS.get(floor, floor) for floor in floors),
        homes=frozenset(found[1].lower() for found in _HOME.finditer(text)),
        named=frozenset((found[1] or found[2]).lower() for found in _NAMED.finditer(text)),
    )
