"""`pilotage codec-server`: decrypt payloads for Temporal's web interface and command line."""

from typing import Annotated

import typer

HostOption = Annotated[str, typer.Option("--host", help="Address to listen on.")]
PortOption = Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 = any free one.")]
OriginOption = Annotated[
    list[str] | None,
    typer.Option("--ui-origin", metavar="URL", help="Address of a Temporal UI whose pages may call it; repeatable."),
]


def codec_server(host: HostOption = "127.0.0.1", port: PortOption = 8081, ui_origin: OriginOption = None) -> None:
    """Decrypt payloads for Temporal's UI and CLI.

    It uses the keys of PILOTAGE_ENCRYPTION_KEYS. Every client that reaches this server can read every promotion. It
    listens on this machine only, unless --host names another address. Then put a proxy with a login in front of it.
    """
    import asyncio
    from contextlib import suppress

    from worker.cli.exits import CliError, ExitCode
    from worker.temporal.codec_server import origin_of, serve
    from worker.temporal.conversion import configured_converter
    from worker.temporal.encryption import EncryptionMisconfigured

    origins = tuple(origin_of(one) for one in ui_origin or ())
    if "" in origins:
        raise CliError(f"--ui-origin: {', '.join(ui_origin or ())}: https://host is wanted", code=ExitCode.USAGE)
    try:
        codec = configured_converter().payload_codec
    except EncryptionMisconfigured as error:
        raise CliError(str(error), code=ExitCode.USAGE) from error
    if codec is None:
        raise CliError("payloads are not encrypted: set PILOTAGE_ENCRYPTION_KEYS", code=ExitCode.USAGE)
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(serve(codec, host=host, port=port, origins=origins))
    except OSError as error:
        raise CliError(f"cannot listen on {host}:{port}: {error}", code=ExitCode.USAGE) from error
