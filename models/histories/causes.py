"""The kinds of things that make a resident write: what fails or happens, how often, when and to whom."""

from dataclasses import dataclass

from core.labels import Category, Crew, Trade

M, B, S, D, A, C, L, OTHER = Category


@dataclass(frozen=True)
class CauseKind:
    """One kind of cause and the laws that it follows."""

    name: str
    category: Category
    trade: Trade | None
    crew: Crew
    """Who can really end it."""
    scale_days: float
    """Characteristic life of the Weibull law between two occurrences, for a thing of usual quality."""
    shape: float
    """Shape of the Weibull law: 1 is memoryless, above 1 it wears out."""
    urgency: tuple[float, float, float, float]
    """Weights of Low, Medium, High, Emergency."""
    work_hours: float
    """Median hands-on time."""
    says: tuple[str, ...]
    trait: str | None = None
    """The latent trait of the home or its building that multiplies the hazard."""
    peak_day: float | None = None
    """Day of the year on which the hazard is highest; None for no season."""
    swing: float = 0.0
    """Size of the season, 0 to 1: the hazard runs from (1 - swing) to (1 + swing)."""
    shared: bool = False
    """Belongs to the building; several residents may write about one occurrence."""
    weather: bool = False
    """A cold snap or heat wave can bring it on."""
    poor_fix: float = 0.15
    """Chance that the cause is only covered up, with a crew of usual skill."""
    relapse_days: float = 30.0
    """Mean time until a covered-up cause shows again."""
    parts: float = 0.0
    """Chance that something must be ordered."""
    question: float = 0.0
    """Chance that the resident only asks."""


WINTER, SUMMER, SPRING = 20.0, 205.0, 110.0
PLUMBING, ELECTRICAL, HVAC, APPLIANCE, PEST, STRUCTURAL, ELEVATOR, CLEANING, GENERAL = Trade

HOME_KINDS = (
    CauseKind("drain", M, PLUMBING, Crew.PLUMBING, 1875, 1.2, (1, 6, 3, 0.5), 1.0,
              ("the kitchen sink drains really slowly", "the shower drain is blocked", "the tub is not emptying"),
              "damp", poor_fix=0.35, relapse_days=35),
    CauseKind("toilet", M, PLUMBING, Crew.PLUMBING, 2375, 1.3, (1, 5, 4, 1), 1.0,
              ("the toilet keeps running", "our only toilet is clogged", "the toilet rocks and leaks at the base"),
              poor_fix=0.22, relapse_days=40),
    CauseKind("faucet", M, PLUMBING, Crew.PLUMBING, 2625, 1.5, (5, 5, 1, 0), 0.8,
              ("the bathroom faucet drips", "the kitchen tap handle came off", "low pressure at the shower head"),
              poor_fix=0.15),
    CauseKind("pipe", M, PLUMBING, Crew.PLUMBING, 5250, 1.8, (0, 2, 5, 4), 3.0,
              ("water is coming through the bathroom ceiling", "there is a leak under the sink", "a pipe burst"),
              "damp", WINTER, 0.4, weather=True, parts=0.2, poor_fix=0.2, relapse_days=45),
    CauseKind("water_heater", M, PLUMBING, Crew.PLUMBING, 5250, 2.2, (0, 1, 8, 1), 2.5,
              ("we have no hot water", "the water is only lukewarm", "the water heater is leaking"),
              peak_day=WINTER, swing=0.3, parts=0.4),
    CauseKind("heating", M, HVAC, Crew.HVAC, 2875, 1.8, (0, 3, 6, 3), 2.0,
              ("the radiator is cold", "there is no heat in the bedroom", "the heating cuts out at night"),
              "draughty", WINTER, 0.85, weather=True, parts=0.25, poor_fix=0.28, relapse_days=20),
    CauseKind("cooling", M, HVAC, Crew.HVAC, 2875, 1.8, (1, 5, 4, 0.4), 2.0,
              ("the AC blows warm air", "the air conditioner leaks onto the floor", "no cooling since yesterday"),
              None, SUMMER, 0.9, weather=True, parts=0.25, poor_fix=0.25, relapse_days=20),
    CauseKind("ventilation", M, HVAC, Crew.HVAC, 5625, 1.3, (4, 5, 0.5, 0), 1.0,
              ("the bathroom fan rattles", "the thermostat screen is blank")),
    CauseKind("outlet", M, ELECTRICAL, Crew.ELECTRICAL, 5250, 1.3, (1, 5, 3, 1.5), 1.2,
              ("an outlet in the living room is dead", "the breaker trips", "the outlet sparked when I plugged in"),
              poor_fix=0.18, relapse_days=25),
    CauseKind("smoke_alarm", M, ELECTRICAL, Crew.ELECTRICAL, 3000, 1.4, (0.5, 8, 0.5, 0.7), 0.4,
              ("the smoke detector chirps every minute", "the CO alarm beeps"), poor_fix=0.2),
    CauseKind("fridge", M, APPLIANCE, Crew.APPLIANCE, 6250, 2.2, (0.5, 3, 6, 0), 1.5,
              ("the fridge is not cold", "the freezer is full of ice", "the refrigerator makes a loud noise"),
              parts=0.45, poor_fix=0.2),
    CauseKind("stove", M, APPLIANCE, Crew.APPLIANCE, 6500, 1.9, (1, 6, 3, 0.6), 1.3,
              ("one burner does not light", "the oven does not heat up"), parts=0.4),
    CauseKind("washer", M, APPLIANCE, Crew.APPLIANCE, 4500, 1.9, (2, 6, 1, 0), 1.5,
              ("the dishwasher leaves water standing", "the washing machine will not spin"), parts=0.4, poor_fix=0.22),
    CauseKind("opening", M, STRUCTURAL, Crew.STRUCTURAL, 4250, 1.3, (4, 5, 1.5, 0.2), 1.8,
              ("the bedroom window will not close", "the front door sticks", "the balcony door glass is cracked"),
              "draughty", WINTER, 0.2, parts=0.3),
    CauseKind("mould", M, STRUCTURAL, Crew.STRUCTURAL, 5250, 1.1, (2, 6, 2, 0), 3.0,
              ("there is mold on the bathroom wall", "damp spots in the bedroom corner", "the ceiling paint bubbles"),
              "damp", WINTER, 0.5, poor_fix=0.5, relapse_days=60),
    CauseKind("pests", M, PEST, Crew.PEST, 3250, 1.0, (0.5, 7, 3, 0), 0.8,
              ("there are roaches in the kitchen", "I saw a mouse behind the stove", "ants all over the counter"),
              "pests", SUMMER, 0.4, poor_fix=0.45, relapse_days=28),
    CauseKind("fixture", M, GENERAL, Crew.GENERAL, 4500, 1.2, (6, 4, 0.5, 0), 1.0,
              ("a cabinet door fell off", "the blinds are broken", "the towel rail is loose"), poor_fix=0.1),
    CauseKind("charge", B, None, Crew.OFFICE, 1375, 1.0, (2, 7, 1, 0), 0.5,
              ("I was charged twice for the rent", "there is a late fee that I do not owe", "the autopay failed"),
              "accounts", poor_fix=0.4, relapse_days=30, question=0.2),
    CauseKind("payment_question", B, None, Crew.OFFICE, 1875, 1.0, (7, 3, 0, 0), 0.2,
              ("how do I set up autopay", "can I get a receipt for last year", "what is this utility charge"),
              "accounts", poor_fix=0.05, question=0.9),
    CauseKind("parcel", D, None, Crew.CONCIERGE, 1125, 1.0, (1, 7, 1, 0), 0.5,
              ("my package says delivered but is not here", "a parcel was stolen from the lobby"),
              "parcels", 345.0, 0.5, poor_fix=0.3, relapse_days=25, question=0.15),
    CauseKind("mail", D, None, Crew.CONCIERGE, 2750, 1.0, (7, 3, 0, 0), 0.2,
              ("I got mail for somebody else", "my mailbox door is bent"), poor_fix=0.3, relapse_days=30),
    CauseKind("noise", C, None, Crew.OFFICE, 1375, 1.0, (2, 7, 1, 0.1), 0.7,
              ("the people above play loud music until 2am", "the dog next door barks all day", "a party next door"),
              "noise", SUMMER, 0.3, poor_fix=0.4, relapse_days=15),
    CauseKind("smells", C, None, Crew.OFFICE, 3250, 1.0, (3, 6, 0.5, 0), 0.5,
              ("cigarette smoke comes in from the flat below", "somebody leaves trash in the hallway"),
              "noise", poor_fix=0.35, relapse_days=20),
    CauseKind("lost_key", S, None, Crew.SECURITY, 2375, 1.0, (1, 3, 6, 1), 0.5,
              ("I am locked out", "I lost my fob", "my key snapped in the lock"), "forgetful", poor_fix=0.03),
    CauseKind("lock", S, None, Crew.SECURITY, 3750, 1.5, (1, 4, 4, 1), 1.0,
              ("the lock on my door jams", "my fob stopped working"), poor_fix=0.2, parts=0.2),
    CauseKind("stranger", S, None, Crew.SECURITY, 4000, 1.0, (0, 2, 6, 3), 1.0,
              ("a stranger follows people in at the entrance", "somebody broke into my storage room"),
              "crime", poor_fix=0.4, relapse_days=40),
    CauseKind("amenity_question", A, None, Crew.CONCIERGE, 1875, 1.0, (9, 1, 0, 0), 0.15,
              ("what time does the pool close", "can I book the lounge on Saturday", "is the roof deck open"),
              "sociable", SUMMER, 0.5, poor_fix=0.02, question=0.85),
    CauseKind("parking", A, None, Crew.CONCIERGE, 2500, 1.0, (3, 6, 1, 0), 0.5,
              ("somebody parks in my spot", "the EV charger does not start"), "sociable",
              poor_fix=0.3, relapse_days=15),
    CauseKind("lease", L, None, Crew.OFFICE, 1500, 1.0, (6, 4, 0.5, 0), 0.7,
              ("I would like to renew my lease", "can I add my partner to the lease", "we want to sublet in June"),
              None, SPRING, 0.4, poor_fix=0.1, question=0.5),
    CauseKind("chatter", OTHER, None, Crew.OFFICE, 2500, 1.0, (9, 0.5, 0, 0), 0.1,
              ("thank you for the quick help", "hello, is anyone there", "see the attachment"), "sociable",
              poor_fix=0.0),
)  # fmt: skip

SHARED_KINDS = (
    CauseKind("lift", M, ELEVATOR, Crew.ELEVATOR, 90, 1.3, (0.5, 6, 3, 0.8), 3.0,
              ("the elevator is out of order", "the elevator stops between floors"),
              "wear", shared=True, parts=0.35, poor_fix=0.3, relapse_days=14),
    CauseKind("boiler", M, HVAC, Crew.HVAC, 260, 1.6, (0, 1, 5, 3), 4.0,
              ("no heat in the whole building", "the boiler is down, it is freezing"),
              "wear", WINTER, 0.8, shared=True, weather=True, parts=0.35, poor_fix=0.25, relapse_days=15),
    CauseKind("hallway", M, CLEANING, Crew.CLEANING, 45, 1.0, (4, 6, 0.3, 0), 0.8,
              ("the hallway is filthy", "there is vomit in the stairwell", "the trash room floor is sticky"),
              "wear", shared=True, poor_fix=0.25, relapse_days=12),
    CauseKind("hall_light", M, ELECTRICAL, Crew.ELECTRICAL, 120, 1.2, (4, 5, 0.7, 0.1), 0.6,
              ("the light on our landing is out", "the lobby light flickers"), shared=True),
    CauseKind("roof", M, STRUCTURAL, Crew.STRUCTURAL, 420, 1.5, (0, 4, 4, 1), 6.0,
              ("rain comes in on the top floor", "the roof leaks into the stairwell"),
              "wear", SPRING, 0.4, shared=True, weather=True, parts=0.3, poor_fix=0.45, relapse_days=30),
    CauseKind("handrail", M, GENERAL, Crew.GENERAL, 200, 1.1, (4, 5, 1, 0), 1.0,
              ("the stair handrail is loose", "a tile in the lobby is broken"), shared=True),
    CauseKind("garage", A, None, Crew.GENERAL, 130, 1.3, (0.5, 5, 4, 0.2), 2.0,
              ("the garage door will not open", "cars are stuck in the garage"),
              "wear", shared=True, parts=0.3, poor_fix=0.25, relapse_days=20),
    CauseKind("laundry", A, None, Crew.APPLIANCE, 55, 1.1, (3, 6, 0.3, 0), 1.2,
              ("two dryers in the laundry room are broken", "the laundry machine took my money"),
              shared=True, parts=0.3, poor_fix=0.25),
    CauseKind("gym", A, None, Crew.GENERAL, 100, 1.1, (6, 4, 0, 0), 1.0,
              ("the treadmill does not start", "the gym shower is cold"), shared=True, parts=0.3),
    CauseKind("entrance", S, None, Crew.SECURITY, 110, 1.2, (0.5, 4, 5, 1), 1.2,
              ("the front entrance does not lock", "the fob reader is dead", "the gate stays open"),
              "crime", shared=True, parts=0.2, poor_fix=0.3, relapse_days=15),
    CauseKind("locker", D, None, Crew.CONCIERGE, 100, 1.2, (2, 6, 0.5, 0), 0.8,
              ("the parcel locker does not open", "the locker screen is frozen"), shared=True, poor_fix=0.25),
)  # fmt: skip

KINDS = HOME_KINDS + SHARED_KINDS
TRAITS = tuple(sorted({kind.trait for kind in KINDS if kind.trait}))
