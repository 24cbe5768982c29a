"""Puts a message in everyday Spanish into English words, one by one, for an embedder that has learned English alone.

A word-by-word gloss is no translation; it is enough to bring a question near the section that answers it.
"""

import re
import unicodedata

_WORD = re.compile(r"[a-z0-9']+|[^\sa-z0-9]")
_OPENING = frozenset("¿¡")
_LEAST_SHARE = 0.4
"""Of a text's words; a text in which so many are Spanish is taken to be so."""
_LEAST_WORDS = 2
"""So many different Spanish words at least, unless it asks or exclaims as Spanish does: one may be a name."""

_WORDS = """
a: to; abajo: downstairs; abierto abierta: open; abre abren abrir: open; abuela: grandmother; acaba acabar: ends
adelantado: ahead; afuera: outside; agua: water; ahora: now; aire: air conditioning; al: to the; algo: something
alguien: somebody; alquiler: rent; amigo amiga amigos: friend; anadir agregar meter: add; antes: before
apartamento piso departamento: apartment; aqui: here; arreglan arreglar arreglo: repair; arriba: upstairs
ascensor elevador: elevator; aviso avisan avisar: notice; ayer: yesterday; azotea: roof deck; balcon: balcony
bano: bathroom; basura: trash; bebe: baby; bicicleta: bicycle; bote: bin; buenas buenos: hello
busca buscar: look for; cada: each; calefaccion: heating; calentador: heater; caliente: hot; calor: heat; cama: bed
camara camaras: camera; cambiar cambio: change; carro coche: car; carta cartas: letter; cartero: mail carrier
casa: home; cerca: near; cerradura: lock; chinches: bed bugs; cierra cierran cerrar cerrado: closes
cobran cobrar: charge; cocina: kitchen; colchon: mattress; como: how; con: with; congelo congelado: frozen
contrato: lease; correo: mail; cortan: shut off; cuando: when; cuantas cuantos: how many; cuanto cuanta: how much
cuarto: room; cucaracha cucarachas: cockroaches; cuesta cuestan costo: costs; cuota: fee; dan dar: give
danado dano: damage; de: of; debajo: under; debo: must I; dejar dejo: leave; del: of the; demora: takes
deposito fianza: deposit; despues: after; devuelven devolver: return; dia dias: day; dinero: money; donde: where
dormir: sleep; ducha: shower; dueno: owner; durante: during; edificio: building; el la los las: the; ella: she
electricidad luz: electricity; emergencia: emergency; empieza empezar: begins; en: in
encienden enciende prenden prende: turn on; enojan: angry; entra entran entrar: enter; entrega: delivery
entre: between; es son esta estan: is; escalera: stairs; espero: I wait; estacionamiento parqueadero: parking
estacionar aparcar: park; este esta: this; estufa: stove; familia: family; feriado festivo: holiday; fiesta: party
fin: end; firma firmar: sign; frio: cold; fuga: leak; fumar fuman: smoking; funciona: works; gato gatos: cat
gimnasio: gym; goteo gotea: drips; gratis: free; grifo llave: faucet; guardan guardar: keep; guitarra: guitar
hace: does; hacer: do; hacen: do; hasta: until; hay: there is; hermana: sister; hermano: brother
hijo hija hijos: child; hora: hour; horas horario: hours; hoy: today; hubo: there was; huesped: guest
incluida incluido: included; inodoro excusado: toilet; interes: interest; invitado invitados: guest; ir: go
jardin: garden; jueves: thursday; lavadora: washing machine; lavanderia: laundry room; lavaplatos: dishwasher
lavar: wash; llama llamar: call; llaves: keys; llavero: fob; llega llegan: arrives; lleno: full; lluvia: rain
lunes: monday; madre mama: mother; malo mala: bad; manana: tomorrow; mascota mascotas: pet; mas: more; me: me
menos: less; mes meses: month; mi mis: my; miercoles: wednesday; moho: mould; mora recargo: late fee
mucho mucha: much; mudanza mudarme mudar: moving; muebles: furniture; multa: fine; musica: music; nadie: nobody
negro: black; ninguno: none; ninos nino nina: children; no: no; noche noches: night; nos: us; nosotros: we
nuevo nueva: new; o: or; oficina: office; olor huele: smell; otra otro: other; padre: father; pagar pago pagan: pay
papel: paper; paquete paquetes: parcels; para: for; pared: wall; pasa: happens; perdi: I lost; perro perros: dog
permitido: allowed; permiso: permission; pero: but; persona personas: person; piscina alberca: pool
pintar pintura: paint; plaga: pests; plantas: plants; playa: beach; poner: put; por: for; porche: porch
porque: because; primero primera: first; puedo puede puedes pueden podemos: can; puerta: door; que: what; quien: who
quiero: I want; quedar: stay; radiador: radiator; raton ratones: mouse; recibo: receipt; reciclaje: recycling
recoger: collect; refrigerador nevera: refrigerator; renta arriendo: rent; renovar: renew; ropa: clothes
roto rota: broken; ruido: noise; sabado: saturday; sale: comes out; salgo: I leave; se: it; secadora: dryer
seguro: insurance; semana semanas: week; senor senora: sir; si: if; siempre: always; silencio: quiet hours
sin: without; sobre: about; sofa: sofa; solo: only; somos: we are; sucio: dirty; tarda: takes; tarde: late
techo: ceiling; tengo: I have; tener: have; terraza: terrace; tiempo: time; tiene tienen: have; tocan tocar: play
toda todo todos: all; trabajo: work; trae: brings; un una: a; vacaciones: holiday; vecino vecina vecinos: neighbour
ventana ventanas: window; ver: see; verano: summer; vez veces: times; vidrio: glass; viene vienen: come
viernes: friday; visita visitas: visitor; vivir vive: live; voy: I go; y: and; ya: already; yo: I; nieve: snow
nieva: it snows; atras: back; estacionan: park; domingo: sunday; martes: tuesday; semanal: weekly; carpeta: folder
alfombra: carpet; lampara foco: lamp; fusible: fuse; alarma: alarm; humo: smoke; fuego: fire
"""


def _read() -> dict[str, str]:
    pairs = (entry.partition(":") for line in _WORDS.splitlines() for entry in line.split(";") if entry.strip())
    return {word: english.strip() for words, _, english in pairs for word in words.split()}


_ENGLISH = _read()
_ALSO_ENGLISH = frozenset({"a", "as", "la", "come", "has", "he", "me", "no", "pero", "sale", "sofa", "son"})
"""Words that say nothing about the language."""
_ALSO_NAMES = frozenset({"dan", "fin", "luz", "mora", "playa", "sin", "toda"})
"""Words that are Spanish only beside others, since people and streets are called so, too."""


def in_english(text: str) -> str:
    """The text with its Spanish words in English where it is Spanish; else the text as it is."""
    plain = unicodedata.normalize("NFD", text.lower())
    words: list[str] = _WORD.findall("".join(letter for letter in plain if not unicodedata.combining(letter)))
    told = [word for word in words if word.isalpha() and word not in _ALSO_ENGLISH]
    spanish = [word for word in told if word in _ENGLISH]
    enough = 1 if _OPENING & set(words) else _LEAST_WORDS
    if not set(spanish) - _ALSO_NAMES or len(set(spanish)) < enough or len(spanish) < _LEAST_SHARE * len(told):
        return text
    return " ".join(_ENGLISH.get(word, word) for word in words if word not in _OPENING)
