"""What thing a message is about, by its words: a finer grain than trade and category, and cheap to tell."""

_WORDS: dict[str, str] = {
    "drain": "drain drains drainage draining clog clogged blocked blockage emptying sewage tapado tapada",
    "toilet": "toilet toilets commode flush flushes flushing inodoro",
    "tap": "faucet faucets tap taps spigot valve shower lavamanos llave ducha",
    "leak": "leak leaks leaking leaked pipe pipes burst flood flooding flooded dripping fuga gotea",
    "heating": "heat heating heater radiator radiators furnace boiler thermostat calefaccion calefacción",
    "cooling": "ac aircon cooling condenser conditioner conditioning aire",
    "ventilation": "fan fans vent vents ventilation exhaust duct",
    "power": "outlet outlets breaker breakers socket sockets power electricity sparked spark sparks fuse enchufe",
    "light": "light lights lamp bulb lighting luz foco",
    "alarm": "detector detectors alarm alarms chirp chirps chirping monoxide",
    "fridge": "fridge refrigerator freezer nevera",
    "stove": "stove oven burner burners cooktop range estufa horno",
    "washer": "dishwasher washer dryer dryers laundry washing lavadora secadora",
    "window_or_door": "window windows door doors hinge glass balcony lock locks ventana puerta",
    "damp": "mold mould mildew damp moisture paint bubbles moho humedad",
    "roof": "roof rain ceiling techo",
    "pests": "roach roaches mouse mice rat rats ants ant bugs bedbugs pest pests cockroach cucarachas ratones",
    "fixture": "cabinet cabinets blind blinds shelf shelves rail handrail drawer tile towel rack",
    "elevator": "elevator elevators lift lifts ascensor elevador",
    "cleaning": "filthy dirty vomit sticky clean cleaning spill trash garbage rubbish stairwell",
    "charge": "charge charged charges fee fees rent refund billed overcharged autopay payment cobro",
    "receipt": "receipt receipts statement invoice recibo",
    "parcel": "package packages parcel parcels delivered delivery locker lockers courier paquete",
    "mail": "mail mailbox letter letters correo",
    "noise": "loud noise noisy music bark barks barking party parties ruido",
    "smoke_or_smell": "cigarette cigarettes smoke smoking smell smells stink weed humo",
    "key": "key keys fob fobs locked lockout llave llaves",
    "intruder": "stranger strangers stole stolen theft broke intruder thief burglar robo",
    "entrance": "entrance gate lobby intercom buzzer entrada",
    "amenity": "pool gym lounge deck roofdeck treadmill playground piscina gimnasio",
    "parking": "parking park parks parked garage car cars ev charger spot estacionamiento",
    "lease": "lease renew renewal sublet partner roommate contrato",
    "news": "news update status waiting wrote",
    "thanks": "thank thanks gracias hello attachment",
}
_PHRASES: dict[str, tuple[str, ...]] = {
    "hot_water": ("hot water", "water heater", "lukewarm", "agua caliente"),
    "no_heat": ("no heat", "without heat", "sin calefac"),
    "cooling": ("air condition", "no cooling"),
    "news": ("any news", "is anybody coming", "heard nothing", "still waiting"),
}

SUBJECTS: tuple[str, ...] = tuple(dict.fromkeys((*_WORDS, *_PHRASES)))
_PLACE = {name: place for place, name in enumerate(SUBJECTS)}
_BY_WORD: dict[str, tuple[int, ...]] = {}
for _name, _listed in _WORDS.items():
    for _word in _listed.split():
        _BY_WORD[_word] = (*_BY_WORD.get(_word, ()), _PLACE[_name])
_BY_PHRASE = tuple((phrase, _PLACE[name]) for name, phrases in _PHRASES.items() for phrase in phrases)


def subjects(words: list[str], text: str) -> list[float]:
    """1.0 for each of `SUBJECTS` that is named, else 0.0; `words` and `text` are in lower case."""
    found = [0.0] * len(SUBJECTS)
    for word in words:
        for place in _BY_WORD.get(word, ()):
            found[place] = 1.0
    for phrase, place in _BY_PHRASE:
        if phrase in text:
            found[place] = 1.0
    return found
