"""Fields of a form as texts, from a body that was read already."""

from email import message_from_bytes
from urllib.parse import parse_qsl

from aiohttp import web

from deploy.local.sandbox.replies import Json


async def form_of(request: web.Request) -> Json | None:
    """Return the fields of a form; None where the request carries none."""
    raw = await request.read()
    if request.content_type == "application/x-www-form-urlencoded":
        return dict(parse_qsl(raw.decode(errors="replace"), keep_blank_values=True))
    if request.content_type != "multipart/form-data":
        return None
    heading = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    fields: Json = {}
    for part in message_from_bytes(heading + raw).walk():
        name = part.get_param("name", header="Content-Disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            fields[name] = content.decode(errors="replace")
    return fields
