"""Residents' words for what the documents call by another name: reviewed data.

Each line names one thing: the documents' words, a colon, and the words and short phrases that residents use for it.
A query that holds one of the latter is searched for the former too. Words are compared by their stems, so that plurals
and endings need no entry of their own.
"""

EVERYDAY = """
parcel: stuff arrives, shipment, amazon, mail carrier package
courier: uber eats, grubhub, instacart, takeout, driver
collect: pick up, pickup, retrieve
prepaid parcel courier pick-up: return label, send back, drop off, ship
mail mailbox: letter, letters, postman, post man, mailman, carrier, postcard
post office: usps
locker: cubby
rubbish trash: bin, bins, dumpster, junk
bulky item: mattress, sofa, couch, armchair, dresser, bed frame
recycling: recyclables, cardboard
shut-off valve: water main, main shutoff, shutoff, stopcock, turn off the water
drain grease wipes: flush, flushable
drain: plunger, clogged, unclog
pest: mouse, mice, mouses, rat, roach, cockroach, ant, bug man, spraying, bedbug, critter
filter: furnace filter
adult lease occupant: move in together, put on the lease, on the lease, wife, husband, spouse, fiance, girlfriend
guest: stay over, crash, sleeps here, overnight, cousin, in laws, relative, mother in law, friend
sublet subtenant: abroad, sabbatical, lodger
renewal offer: lease up, re-sign, resign, extend
month to month lease: lease finish, contract finish, lease is up, expire
notice: heads up, tell you, leaving
end lease early: break the lease, break my lease, break lease, early termination, get out of my lease, go out before
transfer: switch units, switch apartments, bigger unit, upgrade
parking space: car per house, cars per house, spot, stall, garage space
garage remote: clicker, opener
tow: boot, booted
clearance: how tall, height, roof box, rack
charging: plug in my car, tesla, supercharge
laundry room: load of laundry, washer, dryer, coin
lounge: clubhouse, party room, community room
roof deck: rooftop, terrace, roof
grill: bbq, barbecue
gym: fitness, treadmill, workout, weight room
pool: swim, swimming
co-working room: wifi desk, business center, print, printer, work from home
guest suite: in laws stay, spare room to rent
bike room: bicycle storage, scooter
playground: swing, slide
fob: key card, keycard, tag, badge
home key: door key, front door key, duplicate key, spare key, copy of key
lock-out locked: forgot my key, left my keys, locked myself out, get let in
lock: deadbolt, smart lock, keypad
caregiver: nanny, cleaner, cleaning lady, housekeeper, aide, babysitter
camera: cctv, footage, video, ring doorbell
quiet hour: loud, noise rule, how late, instrument, vacuum
party: get together, gathering, bash
smoking: cigarette, weed, cannabis, joint, pot, hookah
balcony: patio, porch
hallway stairway belonging: shoe, stroller, corridor, doormat, outside my door, before the door
painting wall permission: paint, parlor, accent wall, wallpaper
hang picture: drill, shelf, shelves, mount
rent due: rent day, pay day
late fee: penalty, fined, fine
grace period: late, considered late
bank transfer: direct debit, wire, zelle, venmo, checking account
money order: money paper, cashier check
receipt ledger: statement, proof of payment, proof i pay, paid on paper, tax, accountant
rent verification letter: proof of residence, landlord letter
payment plan: instalment, installment, split the rent, short this month, behind on rent
deposit: bond
ordinary wear: wear and tear, scuff
renters insurance: policy, liability, insured
included rent: utilities included, inside of rent, pay apart, comes with
electricity: power bill, hydro, electric bill
heating season: turn the heat on, turn boiler, radiators come on, autumn heat
wi-fi: wifi, internet, wireless
pet: puppy, kitten, hamster, parrot, pup, mouser
assistance animal: esa, service dog, emotional support, therapy dog
leash: off leash
service elevator: freight, freight elevator
moving out keys hand in: hand back, last day, midnight, noon, lease end
moving in: move in day, get the keys
condition form inspection: walkthrough, walk through, checklist
leasing office: management, front office, rental office
concierge desk: front desk, doorman, porter, reception
interpreter: translator, translate
entry notice: come into my apartment, come in without, barge in, walk in
visit technician: handyman, maintenance guy, super, repair man, repairman
complaint: complain, grievance
data: gdpr, personal information
fire drill: evacuation practice
extinguisher: red can
breaker: fuse, tripped
smoke alarm: beeping, chirp, chirping, detector
repair: fix, broken, busted
mould damp: black spot, musty
satellite dish: dish
short-term rental: vrbo, holiday let
occupant: how many people can live, people per bedroom, overcrowded
large delivery: pallet, crate, fridge, mini fridge, liftgate, heavy
cooling air conditioner: ac, a/c, aircon
power cut outage: blackout, lights out, no electricity, brownout
Christmas: xmas, x-mas
Friday after Thanksgiving: black friday
recording: tape, audio, sound
smoke notice charge: bong, toke, reek, secondhand
guard window: bars, child catch, childproof, toddler
evacuation assembly point: muster, gather outside
stairwell: pushchair, pram, buggy, stroller
water damage drying: soaked, flooded, drenched
space heater: electric heater, little heater
salt ice snow: slippery, icy, sheet of ice, shovel
drip tap faucet: drip drip, dripping, tap
hot water heater: stone cold, lukewarm, no warm water
outlet: plug, socket
breaker reset: pops, trips, keeps going off
dishwasher seal: puddle, rubber
lock battery: out of juice, dead keypad
technician treatment bait: critters, infestation
discrimination: housing voucher, section 8, turned down
accommodation modification: disability, handrail, crutches, wheelchair
lock change: restraining order, my ex
entry notice: walks into, workman, lets himself in
show home tenant buyer: viewing, showings, bringing people
ledger credit: charged twice, two times, double
caregiver: looks after me, home health, nurse, carer
roommate: flatmate, housemate, roomie, roomate, bailing
dispute bill: fight it, contest, crazy high
missed visit: never showed, no show, stood up
storage unit: cage, locker in the basement, basement locker, storage
damage charge: fist, chewed
"""
