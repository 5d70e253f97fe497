"""The command serve."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import click

from vecsim.cli.logs import lines
from vecsim.cli.messages import note, warn
from vecsim.cli.options import PATH, weights_option
from vecsim.cli.parameters import command
from vecsim.cli.run_record import current_run


@command()
@click.argument("indexes", metavar="INDEX...", nargs=-1, required=True, type=PATH)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8470,
    show_default=True,
    help="Port to listen on; 0 for any free port.",
)
@click.option(
    "--token",
    envvar="VECSIM_TOKEN",
    show_envvar=True,
    help="Require this access token, 16 characters or more. Other users of the machine can see "
    "options, not variables.",
)
@click.option(
    "--allow-host",
    "hosts",
    metavar="NAME",
    multiple=True,
    help="Accept requests for this host name too, as behind a proxy; repeatable. Needed for "
    "--host without --token.",
)
@click.option(
    "--trusted-proxy",
    "trusted_proxies",
    metavar="ADDRESS",
    multiple=True,
    help="Address or network of a proxy, whose X-Forwarded-For tells the client; repeatable.",
)
@click.option(
    "--root-path",
    metavar="PATH",
    default="",
    help="Path under which a proxy serves this server, such as /pictures.",
)
@click.option(
    "--allow-origin",
    "origins",
    metavar="ORIGIN",
    multiple=True,
    help="Let pages of this site use the API, such as https://shop.example (CORS); repeatable.",
)
@click.option(
    "--access-log",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Write a line for each request to this file, or to standard error (-); --log-format "
    "chooses text or JSON.",
)
@click.option(
    "--stop-seconds",
    type=click.FloatRange(0),
    default=30.0,
    show_default=True,
    help="Time for finishing open requests after SIGTERM or Ctrl-C.",
)
@click.option(
    "--allow-writes",
    is_flag=True,
    help="Allow adding and removing images, and storing decisions about groups.",
)
@click.option(
    "--allow-files",
    is_flag=True,
    help="Allow moving and linking files that a review gives up, and --allow-writes; refused if "
    "other machines can reach the server.",
)
@click.option(
    "--allow-private",
    is_flag=True,
    help="Fetch URLs of private addresses too; clients can then reach this machine's network.",
)
@click.option(
    "--max-bytes",
    type=click.IntRange(1),
    default=20_000_000,
    show_default=True,
    help="Largest image, uploaded or fetched, in bytes.",
)
@weights_option
def serve(
    indexes: tuple[Path, ...], weights: Path | None, access_log: Path | None, **values: Any
) -> None:
    """Search and review indexes in a browser, or by a JSON API.

    Drop an image on the page to find similar ones. Under Groups, compare near-duplicates and decide
    which to keep. The server listens on this machine only, unless --host names another address.
    Indexes cannot be changed without --allow-writes, nor files moved without --allow-files.
    docs/http-api.md describes the API, docs/how-to/operate.md how to run it as a service.
    Needs: pip install 'vecsim[web]'

    \b
    Examples:
      vecsim serve indexes/shop
      vecsim serve indexes/shop indexes/photos --port 9000
      vecsim serve indexes/photos --allow-files
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
        warn(
            f"Warning: everyone who can reach {options.host} can search"
            f"{' and change' if options.allow_writes else ''} these indexes. Require an "
            f"access token with --token."
        )

    def ready(url: str) -> None:
        asks = " It asks for the access token." if options.token is not None else ""
        note(f"Open {url} in a browser.{asks} Stop it with Ctrl-C.")

    with _access_log(access_log):
        run(indexes, options, weights=weights, ready=ready)


def _access_log(file: Path | None) -> AbstractContextManager[None]:
    """Write a line for each request to `file`, if one is given."""
    if file is None:
        return nullcontext()
    from vecsim.web.access_log import writing_access_log

    to_stderr = str(file) == "-"
    return writing_access_log(None if to_stderr else file, lines(current_run()))
