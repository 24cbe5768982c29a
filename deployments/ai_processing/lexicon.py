"""Words of the trade, grouped into concepts: the deterministic lexical features of the text model."""

import re
from hashlib import sha256
from itertools import pairwise

from deployments.ai_processing.safety import normalise

_CONCEPTS: dict[str, str] = {
    # plumbing
    "water_leak": r"leak\w*|drip\w*|dripping|seep\w*|gotea\w*|fuga|chorre\w*|bota agua|wet (?:spot|patch|carpet"
    r"|wall)",
    "water_fixture": r"faucets?|taps?|toilets?|sinks?|showers?|bath ?tubs?|tubs?|bath|valve|spigot|hose bib|spout"
    r"|diverter|flush\w*|commode|cistern|lavamanos|fregadero|inodoro|ducha|llave",
    "drainage": r"drain\w*|clog\w*|blocked|backed up|backing up|plunger|sewage|sewer|standing water|gurgl\w*"
    r"|tapad[oa]",
    "hot_water": r"hot water|water heater|lukewarm|agua caliente|water hot|cold shower|boiler|scald\w*"
    r"|water pressure",
    "pipe": r"pipes?|plumb\w*|riser|water main|supply line|tube|tubo|sump|softener",
    "no_hot_water": r"(?:no|not having|without|isnt any|sin) hot water|no hay agua caliente|sin agua|no water"
    r"|only cold|water hot is finish|shower is (?:ice )?cold",
    # electrical
    "power": r"power|electric\w*|breakers?|outlets?|sockets?|receptacles?|gfci|circuit|fuse|panel|plug|voltage"
    r"|enchufes?|tomacorrientes?|se fue la luz",
    "light": r"lights?|lamps?|bulbs?|fixture|flicker\w*|ballast|luz|foco|bombillo",
    "alarm": r"(?:smoke|co|carbon monoxide|fire) (?:alarm|detector|thing|device)s?|chirp\w*|monoxide|detectors?",
    "sparks": r"spark(?:s|ed|ing)|arc(?:s|ed|ing)|scorch\w*|burn(?:t|ing|ed)|melt\w*|sizzl\w*|crackl\w*|zapp\w*"
    r"|chispas?|shock",
    "no_power": r"no power|power (?:is |went )?out|half (?:the|my|our) (?:apt|apartment|loft|home|place)"
    r"|wont reset|dead outlets?|without electricity|went dark",
    # heating and cooling
    "heating": r"heat|heating|heater|heaters|radiators?|furnace|thermostat|baseboard|heat pump|calefaccion"
    r"|calefactor|pilot",
    "cooling": r"ac|a/c|air con\w*|aircon|cooling|condenser|air handler|aire acondicionado|freon|condensate",
    "ventilation": r"vents?|fans?|ventilat\w*|exhaust|duct\w*|extractor|filter|draft",
    "no_heat": r"no heat\w*|heat(?:ing)? (?:is |has been |s )?(?:out|off|dead|broken?)|without heat|stone cold"
    r"|furnace (?:out|off|dead)|cold like ice|sin calefaccion|no hay calefaccion",
    "temperature": r"\d+ ?(?:°|º|degrees|deg|f\b)|celsius|fahrenheit|thermometer|freezing|snow\w*|outside its"
    r"|out(?:side)?",
    "deep_cold": r"(?<![\d:.$])(?:\d|[12]\d|3[0-4]) ?(?:°|degrees|f)? ?(?:f )?(?:out|outside|degrees)|snow\w*"
    r"|freezing|minus|below zero|in the (?:teens|20s)|bajo cero",
    "mild": r"(?:4[5-9]|5\d|6[0-4]) ?(?:°|degrees|f)? ?(?:f )?(?:out|outside|in here|in)|mild|not (?:freezing"
    r"|bitter|dying)|well live",
    "great_heat": r"(?:8[5-9]|9\d|10\d) ?(?:°|degrees|f|out|outside|in here|inside|in the)|sweltering|heat ?wave"
    r"|soup|oven in here",
    # appliances
    "appliance": r"fridge|refrigerator|freezer|oven|stove|burners?|range|dishwasher|disposal|disposer|microwave"
    r"|cooktop|cooker|nevera|estufa|horno|compressor|igniter|range hood|lavaplatos",
    "laundry_machine": r"washer|dryer|washing machine|laundry|lavadora|secadora|spin cycle|lint",
    "food_spoils": r"thaw\w*|melted|spoil\w*|going soft|groceries|throw(?:n|ing) out|food|milk|insulin",
    # pests
    "pest": r"roach\w*|mice|mouse|rats?|ants?|bed ?bugs?|bugs?|termites?|wasps?|bees?|hornets?|spiders?|snakes?"
    r"|raccoons?|squirrels?|pigeons?|exterminat\w*|droppings|silverfish|moths?|fleas?|gnats?|flies|cucarachas?"
    r"|ratones?|ratas?|chinches|copperhead|bats?|nest|pest",
    "pest_high": r"rats?|bed ?bugs?|wasps?|hornets?|snakes?|copperhead|raccoons?|chinches|ratas?|yellow ?jackets?"
    r"|bees?",
    # structure
    "structure": r"ceiling|walls?|floors?|roof|plaster|drywall|tiles?|paint\w*|carpet|floorboards?|shingles?"
    r"|stucco|brick\w*|grout|caulk\w*|techo|pared|piso|beam|stairs?|steps?|gutters?|fence",
    "opening": r"windows?|doors?|hinges?|sash|glass|screens?|blinds?|frame|panes?|peephole|closer"
    r"|weather ?strip\w*|ventana|puerta|skylight",
    "mould": r"mou?ld\w*|mildew|damp|musty|moho|humedad|black spots?",
    "stain": r"stains?|brown ring|ring on the ceiling|scuff\w*|scratch\w*|dents?|peel\w*|crack\w*|gouge|chipped"
    r"|hole in the wall",
    "general_fixture": r"hand ?rails?|railings?|grab bars?|cabinets?|cupboards?|shelf|shelves|towel (?:rail|bar"
    r"|rack)|drawers?|knobs?|doorbell|curtain rod|mirrors?|banister|closet rod|medicine cabinet|sign|extinguisher"
    r"|number on my door|blinds?|plaque|bracket",
    "elevator": r"elevators?|lifts?|ascensor|elevador|stair ?lift",
    "inside_lift": r"stuck (?:in|inside)|trapped|between (?:the )?\w+ and \w+|btw\w* \w+ and \w+|call button"
    r"|im in (?:the|your)",
    "cleaning": r"clean\w*|vomit|dirty|filthy|spill\w*|sticky|mop\w*|vacuum\w*|pee|urine|poop|smears?|stinks|swept"
    r"|sweep\w*|janitor|limpi\w*|sick (?:in|on)|oil|grease|puddle|blood|graffiti|cobwebs?",
    "worn": r"broke\w*|broken|doesnt work|not working|wont|stopped|dead|jammed|stuck|loose|fell off|came off"
    r"|hangs?|squeak\w*|rattl\w*|noise|buzz\w*|hums?|no funciona|danad[oa]|roto",
    # other categories
    "money": r"\$ ?\d+|\d+ dollars|dollars|refund\w*|paid|pay|payments?|payed|charged?|charges|charging|fees?|bill"
    r"|bills|billed|billing|invoice|statement|ledger|deposit|balance|owe\w*|receipts?|cobr\w*|pago|recibo|factura"
    r"|dolares|credit|debit|overcharg\w*",
    "rent": r"rent|autopay|late fee|portal|renta|alquiler|utility charge|utilities|rubs|surcharge|bounced|nsf"
    r"|prorat\w*|bank|card declined|check",
    "lease": r"lease\w*|renew\w*|sublet\w*|sublease|roommate|move ?(?:in|out)|moving (?:in|out)|notice|references?"
    r"|landlord ref\w*|addendum|inspection|transfer|waitlist|wait list|terminat\w*|month to month|guarantor"
    r"|co ?sign\w*|contrato|arrendamiento|mudar\w*|recertif\w*|break (?:this|my|the) lease|early end|occupan\w*"
    r"|application",
    "key": r"keys?|fobs?|locks?|locked|lock ?out|deadbolt|codes?|key ?card|locksmith|llaves?|llavero|cerradura"
    r"|unlock\w*|rekey\w*|latch\w*",
    "entrance": r"front door|street door|main door|gate|entrance|lobby door|buzzer|intercom|call box|entry|propped"
    r"|wide open|vestibule|portero",
    "crime": r"stole\w*|theft|thief|rob\w*|break in|broke in|broken into|burglar\w*|smashed|vandal\w*|police|cops"
    r"|911|report no|robo|robaron|ladron|forced|pried|intruder|tamper\w*",
    "stranger": r"stranger|someone|somebody|man|guy|dude|trespass\w*|loiter\w*|homeless|follow\w*|peep\w*"
    r"|suspicious|lurking|hooded?|hombre|desconocido",
    "threat": r"threat\w*|knife|gun|kill|hit|beat\w*|punch\w*|scared|afraid|attack\w*|screaming|ex|restraining"
    r"|violen\w*|amenaz\w*|stalk\w*|yelling",
    "camera": r"cameras?|cctv|footage|surveillance|security (?:guard|desk|patrol)|camara|flood ?light",
    "parcel": r"parcels?|packages?|pkg|deliver\w*|courier|ups|fedex|usps|amazon|dhl|lockers?|package room|mail"
    r"|mail ?box\w*|mail ?room|letters?|post|envelopes?|paquetes?|correo|doordash|uber ?eats|food order|tracking"
    r"|mailman|carrier|postman|circulars?|box",
    "amenity_pool": r"pool|hot tub|sauna|swim\w*|jacuzzi|lifeguard|piscina|lap lane",
    "amenity_gym": r"gym\w*|treadmills?|elliptical|weights?|squat|peloton|exercise|fitness|rowing|gimnasio"
    r"|bench press",
    "amenity_place": r"roof ?(?:deck|top)|lounge|playground|club ?house|party room|community room|co ?working"
    r"|bike room|bike rack|fire ?pit|grills?|bbq|barbecue|media room|library|garden plot|dog (?:park|run|wash)"
    r"|business center|pavilion|tennis|courtyard|game room|salon",
    "amenity_parking": r"parking|garage|parked?|ev|chargers?|charging station|car|bay|spot|permit|towed|tow|van"
    r"|estacionamiento|cochera|remote|opener|stall",
    "amenity_wifi": r"wi ?fi|internet|router|network|mbps|bandwidth",
    "amenity_laundry": r"laundry (?:room|rm)|washers?|dryers?|coins?|quarters|laundry card|lavanderia"
    r"|vending machine|card reader|machine \d|washer \d|dryer \d",
    "booking": r"book\w*|reserv\w*|sign ?up|schedule|slot",
    "noise": r"noise|noisy|loud\w*|music|bass|drum\w*|stomp\w*|bark\w*|party|parties|scream\w*|bang\w*|ruido"
    r"|musica|quiet hours|thump\w*|vacuuming|furniture|footsteps|karaoke|piano|subwoofer|practice",
    "neighbour": r"neighbou?rs?|upstairs|downstairs|next door|tenants?|vecin[oa]s?|people (?:above|below|upstairs)"
    r"|whoever|guests?|kids|couple in|residents|family (?:in|above)|above me|below me|across the hall",
    "pets": r"dogs?|cats?|pets?|poop|leash|puppy|bark\w*|kitten|perr[oa]s?|gat[oa]s?|parrot|feed\w*|litter",
    "smoking": r"cigarettes?|smokes?|smoking|smoker|weed|vap\w*|cigars?|marijuana|tobacco|pot|fuma\w*|humo",
    "rubbish": r"trash|garbage|rubbish|litter|bags?|dump\w*|chute|recycl\w*|basura|furniture left|mattress|couch"
    r"|diapers|bins?",
    "house_rule": r"house rules?|rules?|allowed|policy|policies|regla\w*|reglamento|enforce|forbid\w*|permitted"
    r"|against the|prohib\w*",
    "event": r"event|potluck|meeting|club|newsletter|bulletin|association|committee|welcome|easter|holiday"
    r"|halloween",
    "thanks": r"thank (?:you|u)|thanks|thx|ty|gracias|appreciate|kudos|grateful|well done|god bless",
    "nothing": r"wrong (?:number|chat|person|text)|test|testing|sorry,? (?:sat|cat|kid)|unsubscribe|reply stop"
    r"|congratulations|you have been selected|whatsapp me|ignore (?:this|that|last)|forget (?:last|my last|that"
    r"|it)|never ?mind|out of office|butt dial|pocket",
    # intent
    "asks": r"what|when|where|which|who|how|is there|are there|do you|does|can i|can we|may i|could you tell|cual"
    r"|cuando|donde|como|hay|puedo|am i allowed",
    "asks_hours": r"hours|what time|open\w*|close\w*|how (?:much|many|long|far|do i)|cost|price|horario|a que hora"
    r"|cuanto|deadline|include\w*",
    "asks_news": r"any (?:news|update|word|idea)|status|eta|update|still waiting|when (?:is|are|will)"
    r"|what (?:happened|is happening)|did (?:you|they|it|anyone)|has my",
    "polite_question": r"i wish to inquire|wondering|quick q\w*|question|just (?:want|wanted|asking|curious)"
    r"|curious|could you (?:kindly )?tell me|let me know|qs|want to know",
    "wants_person": r"manager|supervisor|boss|human|person|someone (?:above|senior|in charge|real)|owner|regional"
    r"|director|gerente|encargado|supervisora?|superior|higher up|real (?:person|human)|corporate|in charge"
    r"|next person up|whoever (?:runs|signs|owns)",
    "complains": r"complain\w*|third (?:time|email|message|letter)|3rd (?:time|email|letter)|\d+(?:th|rd"
    r"|nd) (?:time|email|letter)|again and again|ignored|nobody (?:calls|answers|called|answered|has)"
    r"|no one (?:calls|answers|called|has|ever)|unacceptable|hung up|voicemail|queja|lawyer|attorney|formal"
    r"|escalat\w*|ticket number|told me|four times|(?:two|three|five|six|seven) times|keep (?:telling|getting"
    r"|being)|no reply|no response|unanswered|past asking|called back|call me back|rung me|nadie (?:me )?(?:llama"
    r"|contesta|responde)",
    "call_me": r"call me|ring me|phone me|speak (?:to|with)|talk (?:to|with)|put me (?:on|through)|contact me"
    r"|llam\w+me|hablar con|telephone me",
    # urgency
    "right_now": r"right now|now|immediately|asap|urgent\w*|hurry|quick\w*|emergency|help|please come|come now"
    r"|tonight|this minute|rn|ya mismo|ahora|ayuda|911|fire dep\w*",
    "no_hurry": r"no (?:rush|hurry)|not urgent|whenever|when (?:you|u) (?:get|have|can)|at your (?:leisure"
    r"|convenience)|when convenient|low priority|some ?(?:time|day)|sin prisa|no big deal|minor|cosmetic"
    r"|would be nice|suggest\w*|idea|one day|eventually|just (?:saying|a thought)|not a (?:big|huge)",
    "workaround": r"other (?:one|ones|three|two|burners|rooms)|still works|works fine|can manage|using the"
    r"|meanwhile|for now|rest of|others? (?:do|are|is)|workaround|managed?|instead",
    "lost_service": r"no (?:hot )?water|no power|no heat|nothing|completely|totally|entire|whole|all of|dead"
    r"|only (?:one|toilet|bathroom)|the only|at all|none",
    "recurs": r"again|still|another|every (?:day|night|time|week|morning)|keeps?|constantly|third|otra vez|siempre"
    r"|since (?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)",
    "resolved": r"has stopped|is fixed|was fixed|got fixed|no longer|any ?more|gone|sorted|resolved|all good|ya no"
    r"|arreglaron|stayed fixed|dry",
    "vulnerable": r"bab(?:y|ies)|newborn|infant|toddler|elderly|disabled|wheel ?chair|walker|asthma|oxygen"
    r"|pregnant|chemo|dialysis|\d+ ?(?:mo|months?|wks?|weeks?|days?)\W?old|[789]\d years|eighty|ninety|frail"
    r"|bed ?bound|hospice|insulin|medicine|meds|heart|bebe|ancian\w+|blind|stroke|aide|caregiver|[12] ?(?:yr|year"
    r"|yo)|epi ?pen|cane|surgery|hip",
    "deadline": r"tomorrow|tmrw|by (?:tomorrow|tonight|noon|monday|friday|\d)|tonight|today|this (?:afternoon"
    r"|evening|morning)|in an hour|due|deadline|manana|hoy|exam|shift|appointment|flight",
    "night": r"(?:9|10|11|12)(?:[:.]\d\d)? ?p\.?m|(?:12|1|2|3|4)(?:[:.]\d\d)? ?a\.?m|midnight|at night|tonight"
    r"|noche|dark|late",
    "bucket": r"bucket|pot|bowl|pan|towels?|cubeta|balde|caught|catch\w*",
    "flood": r"flood\w*|pour\w*|gush\w*|burst|everywhere|inch\w* deep|river|inundad\w*|spray\w*|waterfall"
    r"|shut ?off|overflow\w*",
    "gas": r"gas|eggy?s?|propane|hiss\w*|rotten",
    "smoke_fire": r"smoke|smoky|smoking|fire|flames?|on fire|humo|incendio|fuego|burning smell"
    r"|alarm (?:is )?going off",
    "gas_bill": r"gas bill|gas company|gas account|paying gas|pit|fire lane|fire escape|fire door|alarm clock",
    "health": r"headaches?|dizzy|faint\w*|unconscious|bleed\w*|breath\w*|chest|pills|hospital|ambulance|hurt"
    r"|injur\w*|collapsed|fell|wont wake|isnt answering|not answering|dont answer|suicid\w*|better off|goodbye"
    r"|sick|ill|pain",
    "collapse": r"collaps\w*|coming down|came down|caved?|bulg\w*|sagg\w*|fell (?:on|from|down)|chunks?|piece of"
    r"|falling",
    "danger": r"danger\w*|unsafe|hazard\w*|trip\w*|slip\w*|exposed|bare wires?|hanging|sharp|shatter\w*"
    r"|broken glass|injur\w*|cut",
    "overstated": r"disaster|catastrophe|tragedy|alarm(?:ing)?|crisis|survivors|apocalyp\w*|red alert|mayday"
    r"|code red|nightmare",
}
_COMBINATIONS: dict[str, tuple[str, ...]] = {
    # A linear model can't see that two things together weigh more than their sum.
    "vulnerable_without_heat": ("vulnerable", "no_heat"),
    "vulnerable_without_hot_water": ("vulnerable", "no_hot_water"),
    "vulnerable_without_power": ("vulnerable", "no_power"),
    "vulnerable_and_lost_service": ("vulnerable", "lost_service"),
    "vulnerable_and_cooling": ("vulnerable", "cooling"),
    "vulnerable_and_elevator": ("vulnerable", "elevator"),
    "vulnerable_and_right_now": ("vulnerable", "right_now"),
    "heating_in_deep_cold": ("heating", "deep_cold"),
    "cooling_in_great_heat": ("cooling", "great_heat"),
    "door_at_night": ("entrance", "night"),
    "key_at_night": ("key", "night"),
    "stranger_right_now": ("stranger", "right_now"),
    "threat_right_now": ("threat", "right_now"),
    "stranger_and_opening": ("stranger", "opening"),
    "flooding_water": ("flood", "water_leak"),
    "flood_right_now": ("flood", "right_now"),
    "gas_not_billed": ("gas", "right_now"),
    "sparks_and_power": ("sparks", "power"),
    "elevator_inside": ("elevator", "inside_lift"),
    "ceiling_collapse": ("structure", "collapse"),
    "health_right_now": ("health", "right_now"),
    "leak_in_bucket": ("water_leak", "bucket"),
    "broken_with_workaround": ("worn", "workaround"),
    "question_of_money": ("asks", "money"),
    "question_of_rules": ("asks", "house_rule"),
    "question_of_hours": ("asks", "asks_hours"),
    "complaint_to_person": ("complains", "wants_person"),
    "call_from_person": ("wants_person", "call_me"),
    "laundry_in_shared_room": ("laundry_machine", "amenity_laundry"),
    "parcel_and_crime": ("parcel", "crime"),
    "parcel_and_key": ("parcel", "key"),
    "pets_and_neighbour": ("pets", "neighbour"),
    "noise_and_neighbour": ("noise", "neighbour"),
    "thanks_and_resolved": ("thanks", "resolved"),
}

CONCEPTS = (*_CONCEPTS, *_COMBINATIONS)
_PATTERNS = {name: re.compile(rf"(?<!\w)(?:{pattern})(?!\w)") for name, pattern in _CONCEPTS.items()}
_WORD = re.compile(r"[^\W_]+|[$?!]")

VERSION = sha256(repr((_CONCEPTS, _COMBINATIONS)).encode()).hexdigest()[:12]
"""Changes with any concept; heads that were trained on another lexicon are refused."""


def concepts(text: str) -> tuple[int, ...]:
    """Indices in `CONCEPTS` of those that the text touches, ascending."""
    plain = normalise(text)
    found = {name for name, pattern in _PATTERNS.items() if pattern.search(plain)}
    found |= {name for name, parts in _COMBINATIONS.items() if found.issuperset(parts)}
    return tuple(index for index, name in enumerate(CONCEPTS) if name in found)


def terms(text: str) -> list[str]:
    """Words and pairs of neighbouring words, in order, with repeats; numbers become `0`."""
    words = ["0" if word.isdigit() else word for word in _WORD.findall(normalise(text))]
    return words + [f"{first} {second}" for first, second in pairwise(words)]
