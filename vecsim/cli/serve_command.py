"""serve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vecsim.cli.messages import note
from vecsim.cli.options import PATH, weights_option


@click.command()
@click.argument("indexes", metavar="INDEX...", nargs=-1, required=True, type=PATH)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="The address to be reached at."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8470,
    show_default=True,
    help="The port to be reached at; 0 for any that is free.",
)
@click.option(
    "--token",
    envvar="VECSIM_TOKEN",
    show_envvar=True,
    help="Answer only those who know this. Others on the machine can see options, not variables.",
)
@click.option(
    "--allow-host",
    "hosts",
    metavar="NAME",
    multiple=True,
    help="A further name that the server is called by, as behind a proxy; repeatable.",
)
@click.option("--allow-writes", is_flag=True, help="Let visitors add and remove images.")
@click.option(
    "--allow-private",
    is_flag=True,
    help="Fetch URLs of private addresses too: visitors then reach what this machine reaches.",
)
@click.option(
    "--max-bytes",
    type=click.IntRange(1),
    default=20_000_000,
    show_default=True,
    help="The largest picture, handed over or fetched.",
)
@weights_option
def serve(indexes: tuple[Path, ...], weights: Path | None, **values: Any) -> None:
    """Search indexes in a browser, and from programs by a JSON API.

    Drop a picture on the page and see what is like it. Only this machine can reach the page unless
    --host says otherwise; nothing can be changed without --allow-writes. docs/http-api.md describes
    the API. Needs: pip install 'vecsim[web]'

    \b
    Examples:
      vecsim serve indexes/shop
      vecsim serve indexes/shop indexes/photos --port 9000
      vecsim serve indexes/shop --host 0.0.0.0 --token "$(openssl rand -hex 16)"
    """
    from vecsim.errors import MissingExtraError
    from vecsim.web import ServeOptions

    options = ServeOptions(**values)
    try:
        from vecsim.web.server import serve as run
    except ImportError as error:
        raise MissingExtraError(
            f"vecsim serve needs {error.name}, which is not installed: pip install 'vecsim[web]'"
        ) from error
    if not options.is_loopback and options.token is None:
        click.echo(
            f"Warning: everybody who can reach {options.host} can search"
            f"{' and change' if options.allow_writes else ''} these indexes. A --token keeps "
            f"strangers out.",
            err=True,
        )

    def ready(url: str) -> None:
        asks = " It asks for the token." if options.token is not None else ""
        note(f"Open {url} in a browser.{asks} Ctrl-C ends it.")

    run(indexes, options, weights=weights, ready=ready)
