"""doctor."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from vecsim.cli.options import PATH


@click.command()
@click.argument("folder", type=PATH, required=False)
@click.option("--network", is_flag=True, help="Try whether weights can be downloaded from here.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def doctor(folder: Path | None, network: bool, as_json: bool) -> None:
    """Tell what this machine has, lacks and is slow at.

    Where something could be better, it says what to do. FOLDER is where indexes are to be kept
    [default: where VECSIM_INDEXES says, else indexes/]. How fast it can be written is measured
    with a file of 32 MB, which goes away. Nothing else is changed, and nothing is asked of the
    internet without --network.

    \b
    Examples:
      vecsim doctor
      vecsim doctor /srv/indexes --json
    """
    from vecsim.cli.environment import known_variables
    from vecsim.cli.running import counted, note
    from vecsim.operations.doctor import examine
    from vecsim.operations.opening import Sources

    findings = examine(folder or Sources().home, known_variables(), network=network)
    if as_json:
        told = [{**asdict(found), "status": found.status} for found in findings]
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    warnings = 0
    for found in findings:
        click.echo(f"{found.status:<8} {found.topic + ':':<14} {found.text}")
        if found.advice:
            warnings += 1
            click.echo(f"{'':<8} {'':<14} -> {found.advice}")
    note(f"\n{counted(warnings, 'warning')}")
