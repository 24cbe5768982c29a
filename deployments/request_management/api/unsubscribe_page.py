"""The page behind a mail's link: it asks once more, since mail programs open links by themselves."""

from html import escape

PAGE_POLICY = "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
"""The content security policy of the page: it loads nothing and posts to this place alone."""

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Messages by mail</title></head>
<body>
<main>
<h1>Messages by mail</h1>
<p>Do you want no more messages of this kind? <span lang="es">¿No desea recibir más mensajes de este tipo?</span></p>
<p>You will still find them in your inbox, and danger is always told.
<span lang="es">Seguirán en su buzón, y de un peligro se avisa siempre.</span></p>
<form method="post" action="?token={token}"><button>Unsubscribe / <span lang="es">Darse de baja</span></button></form>
</main>
</body>
</html>
"""


def unsubscribe_page(token: str) -> str:
    """The page for the token of a link."""
    return _PAGE.format(token=escape(token, quote=True))
