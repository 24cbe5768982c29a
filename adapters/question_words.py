"""Reduces everyday English to the words that carry what is meant."""

import re

_WORD = re.compile(r"[a-zà-ÿ0-9$€%]+(?:['’][a-z]+)?")
_LITTLE_MEANING = """
a an the and or but if of to in on at for from by with without about into as is are am was were be been being it its
this that these those there here i me my mine we us our you your yours he she they them their his her do does did done
doing have has had having can could may might must shall should will would what when where which who whom whose how why
not no yes so too very just only also any some please thanks thank hi hello hey dear sir madam ok okay like get got im
ive id u ur r n w cuz cause asking ask know tell wonder want wanna need one thing things than then now still over under
up out off all more most much many such own same gets go goes going come say says said let lets time kind sort really
actually la el de los las un una que en es y o para por mi somebody anybody anything something nothing apartment
building home place resident today tonight tomorrow tn rn wknd weekend weekends weeknight weeknights jan feb mar apr jun
jul aug sept sep oct nov dec good big bigger large tall long old new hear begin begins beginning throw rid second first
next last far roughly apart complex tho though gonna gotta lol even back ever
"""
_STOP = frozenset(_LITTLE_MEANING.split())
_SAME_MEANING = """
hour: hrs hr
parcel: package packages pkg box delivery mailroom packet fedex
elevator: lift elevators
service: freight
rubbish: garbage trash
parking: lot spot park parked
bicycle: bike bikes bicycles
pet: cat dog dogs animal
transfer: ach
television: tv
furniture: couch sofa
electric: ev
roof: rooftop
gym: fitness gymnasium
dry: dryer
short: airbnb
pest: exterminator bug
mould: mold
valve: shutoff
kilowatt: kwh
waiting: waitlist
amenity: amenities
courier: doordash ubereats couriers
vehicle: van car cars vehicles
adult: roommate
guest: boyfriend bf sister visitor visitors
price: cost costs charge charged fee fees
payment: pay paying paid
deposit: deposits
open: close closes closing opens opening opened
refund: reimburse
sublet: subletting sublease
move: leaving movers moving
wash: laundry washing washer
permit: allowed permitted
renew: renewing renewal renewals
end: ending ends break
lease: term contract contrato
heating: heat boiler
child: baby kid kids children
smoke: smoking vape vaping
fob: fobs
key: keys
noise: drum noisy
"""
_ALIASES = {
    word: meaning
    for line in _SAME_MEANING.split("\n")
    if line
    for meaning, _, words in [line.partition(": ")]
    for word in words.split()
}


def stems(text: str) -> list[str]:
    """The content words of a text, lower-case, with everyday words for the same thing made one and endings cut."""
    words = (word.replace("’", "'").removesuffix("'s") for word in _WORD.findall(text.lower().replace("wi-fi", "wifi")))
    return [_stem(word) for word in words if word not in _STOP and (len(word) > 1 or word in "$%")]


def _stem(word: str) -> str:
    word = _ALIASES.get(word, word)
    for ending in ("ings", "ing", "ed", "es", "s", "ly"):
        if word.endswith(ending) and not word.endswith("ss") and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word[:-1] if word.endswith("e") and len(word) > 4 else word
