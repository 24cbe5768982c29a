"""Labels by keywords alone: what a desk would write in an afternoon, and what every model must beat."""

import re
from collections.abc import Mapping

from core.labels import Category, Intent, Trade, Urgency
from deployments.ai_processing.text import HeadName

Patterns = tuple[tuple[str, str], ...]

_CATEGORIES: Patterns = (
    (Category.BILLING, r"rent|pay(ment|ments|ing|id)?|paid|charg\w+|fees?|bill(s|ed|ing)?|invoice|refund|deposit|"
     r"autopay|portal|receipt|statement|balance|ledger|late fee|renta|pago|cobr\w+|recibo"),
    (Category.SECURITY, r"keys?|locks?|locked out|lockout|fobs?|codes?|break[- ]?in|broke in|burglar\w*|stole\w*|"
     r"theft|intruder|stranger|trespass\w*|cameras?|gates?|intercom|buzzer|deadbolt|threat\w*|weapon|knife|gun|"
     r"llaves?|cerradura|robo|robaron"),
    (Category.DELIVERIES, r"packages?|parcels?|deliver\w+|mail|mailbox\w*|lockers?|courier|usps|ups|fedex|amazon|"
     r"tracking|paquetes?|correo|entrega\w*"),
    (Category.AMENITIES, r"pool|gym|treadmill|laundry|washers?|dryers?|parking|garage|lounge|roof deck|rooftop|"
     r"playground|bike room|wifi|wi-fi|ev charger|charger|clubhouse|sauna|hot tub|piscina|gimnasio|lavander[ií]a|"
     r"estacionamiento"),
    (Category.COMMUNITY, r"neighbou?rs?|noise|noisy|loud|music|part(y|ies)|bark\w*|dogs?|smok(ing|ers?)|weed|"
     r"cigarettes?|trash|garbage|guests?|upstairs people|vecin[oa]s?|ruido|m[uú]sica|fiesta"),
    (Category.LEASING, r"lease|renew\w*|sublet\w*|sublease|move[- ]?(in|out)|moving out|roommate|notice|landlord "
     r"reference|reference|inspection|transfer|month[- ]to[- ]month|contrato|renovar|mudan\w*"),
    (Category.MAINTENANCE, r"leak\w*|drip\w*|clog\w*|broken|fix|repair|toilet|sink|faucet|tap|shower|drain|pipes?|"
     r"water|heat(er|ing)?|radiator|thermostat|ac|a/c|air condition\w*|furnace|outlets?|lights?|power|breaker|"
     r"fridge|refrigerator|stove|oven|dishwasher|microwave|mold|mould|ceiling|walls?|floors?|windows?|doors?|"
     r"roach\w*|mice|mouse|rats?|ants?|bugs?|elevator|lift|gas|smoke alarm|smoke detector|fuga|gotea\w*|calefacci[oó]n|"
     r"inodoro|ventana|techo|elevador|ascensor|cucarachas?"),
)  # fmt: skip
_TRADES: Patterns = (
    (Trade.PEST, r"roach\w*|mice|mouse|rats?|ants?|bugs?|bed ?bugs?|wasps?|bees?|spiders?|termites?|droppings|"
     r"cucarachas?|ratas?|rat[oó]n\w*|hormigas|chinches"),
    (Trade.ELEVATOR, r"elevators?|lifts?|elevador|ascensor"),
    (Trade.HVAC, r"heat|heating|heater|radiators?|thermostat|furnace|boiler|ac|a/c|air condition\w*|vents?|"
     r"ventilation|calefacci[oó]n|aire acondicionado"),
    (Trade.APPLIANCE, r"fridge|refrigerator|freezer|stove|oven|dishwasher|microwave|burners?|washer|dryer|disposal|"
     r"nevera|estufa|horno|lavaplatos"),
    (Trade.ELECTRICAL, r"outlets?|sockets?|lights?|bulbs?|power|electric\w*|breakers?|spark\w*|switch\w*|wir(e|es|ing)|"
     r"smoke (alarms?|detectors?)|co alarm|luz|enchufes?|chispas?"),
    (Trade.PLUMBING, r"leak\w*|drip\w*|clog\w*|toilets?|sinks?|faucets?|taps?|showers?|drains?|pipes?|water|sewage|"
     r"gas|tubs?|flood\w*|plumb\w*|fuga|gotea\w*|inodoro|agua|ba[nñ]o"),
    (Trade.STRUCTURAL, r"doors?|windows?|walls?|ceilings?|floors?|tiles?|roof|mou?ld|cracks?|stairs?|hinges?|"
     r"ventanas?|puertas?|techo|pared|piso|moho"),
    (Trade.CLEANING, r"dirty|clean\w*|vomit|spill\w*|stains?|smell\w*|filthy|mopp?\w*|sucio|limpi\w*"),
)  # fmt: skip
_EMERGENCY = (
    r"gas (smell|leak)|smell\w* (of )?gas|fire|smoke (in|from|coming)|flames?|carbon monoxide|co alarm|spark\w*|"
    r"flood\w*|pouring|gushing|burst|sewage|no heat|trapped|stuck in the (elevator|lift)|break(ing)? in|intruder|gun|"
    r"knife|threat\w*|emergency|911|unconscious|bleeding|collaps\w*|ceiling (fell|falling|came down)|huele a gas|humo|"
    r"incendio|inundaci[oó]n"
)
_HIGH = (
    r"no (hot )?water|no power|no electricity|only toilet|locked out|urgent\w*|asap|right away|today|leak\w*|"
    r"overflow\w*|fridge (is )?(dead|died|warm)|rats?|bed ?bugs?|stolen|robbed|getting worse|sin agua|sin luz|urgente"
)
_LOW = (
    r"when you (get a chance|can|have time)|no rush|no hurry|whenever|hours|what time|paint\w*|scuff\w*|thanks?|thank "
    r"you|copy|suggest\w*|cosmetic|wondering|question|do you|is there|gracias|horario"
)
_PERSON = (
    r"manager|supervisor|complain\w*|a real person|human|speak (to|with)|talk (to|with)|someone in charge|third time|"
    r"nobody (calls|called|answers|has)|no one (calls|called|answers|has)|ignored|unacceptable|lawyer|attorney|"
    r"hablar con|encargad[oa]|gerente|queja"
)
_QUESTION = (
    r"^(what|when|where|who|which|how|is|are|do|does|can i|could i|may i|am i|qu[eé]|cu[aá]ndo|d[oó]nde|c[oó]mo)\b"
)


def label_by_keywords(text: str) -> Mapping[HeadName, str]:
    """One label of each head: the category and the trade with most matches, the first listed where several have so."""
    lowered = text.lower()
    return {
        "category": _most(_CATEGORIES, lowered, Category.OTHER),
        "urgency": _urgency(lowered),
        "intent": _intent(lowered),
        "trade": _most(_TRADES, lowered, Trade.GENERAL),
    }


def _most(patterns: Patterns, text: str, otherwise: str) -> str:
    counts = {label: len(re.findall(rf"\b(?:{words})\b", text)) for label, words in patterns}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] else otherwise


def _urgency(text: str) -> str:
    for urgency, words in ((Urgency.EMERGENCY, _EMERGENCY), (Urgency.HIGH, _HIGH), (Urgency.LOW, _LOW)):
        if re.search(rf"\b(?:{words})\b", text):
            return urgency
    return Urgency.MEDIUM


def _intent(text: str) -> str:
    if re.search(rf"\b(?:{_PERSON})\b", text):
        return Intent.HUMAN_ESCALATION
    asks = text.rstrip().endswith("?") or re.search(_QUESTION, text.strip("¿ "))
    return Intent.ANSWER_QUESTION if asks else Intent.SOLVE_PROBLEM
