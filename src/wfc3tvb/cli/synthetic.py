"""Commands of the synthetic world: simulate, archive."""

from __future__ import annotations

from pathlib import Path

import click

from wfc3tvb.cli.door import bars, example, main

_PORT = click.IntRange(0, 65535)


@main.command()
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option("--preset", default="demo", show_default=True, help="Which visit; a wrong name lists them.")
@click.option("--size", type=click.IntRange(64, 1024), help="Edge of the frame [pixel].")
@click.option("--seed", type=int, help="Of the random numbers; the same seed makes the same bytes.")
@click.option("--products/--no-products", default=True, show_default=True, help="The archive's IMA, FLT, DRZ too.")
@example("wfc3tvb simulate my-archive --preset ibohbf040")
def simulate(out: Path, preset: str, size: int | None, seed: int | None, products: bool) -> None:
    """Make synthetic exposures with known truth, and their reference files."""
    from wfc3tvb.simulate.visit import simulate as run_simulate

    with bars() as progress:
        run_simulate(out, preset=preset, size=size, seed=seed, products=products, progress=progress)
    click.echo(f"wrote {out}; serve it with: wfc3tvb archive {out}")


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--ports", type=(_PORT, _PORT), default=(8800, 8801), show_default=True, metavar="MAST S3",
              help="Ports of MAST with CRDS, and of the bucket; 0 takes a free one.")
@click.option("--log", type=click.Path(path_type=Path, dir_okay=False), help="JSON lines, one a request: bytes sent.")
@example("wfc3tvb archive my-archive")
def archive(folder: Path, ports: tuple[int, int], log: Path | None) -> None:
    """Serve a folder as MAST, S3 and CRDS on this machine, until Ctrl-C."""
    import threading

    from wfc3tvb.simulate.archive import serve

    with serve(folder, ports=ports, log=log) as served:
        click.echo(f"serving {folder}; in another terminal:")
        for name, value in served.environment().items():
            click.echo(f"export {name}={value}")
        threading.Event().wait()
