"""Commands of the synthetic world: simulate, archive."""

from __future__ import annotations

from pathlib import Path

import click

from wfc3tvb.cli.app import bars, example, main, tell

_PORT = click.IntRange(0, 65535)


@main.command()
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option("--preset", default="demo", show_default=True, help="Which visit; an unknown name lists them.")
@click.option("--size", type=click.IntRange(64, 1024), help="Edge of the frame [pixel].")
@click.option("--seed", type=int, help="Seed of the random numbers; the same seed makes the same bytes.")
@click.option(
    "--products/--no-products",
    default=True,
    show_default=True,
    help="Make the IMA, FLT and DRZ too, as the archive has them.",
)
@example("wfc3tvb simulate my-archive --preset ibohbf040")
def simulate(out: Path, preset: str, size: int | None, seed: int | None, products: bool) -> None:
    """Make synthetic exposures with known truth.

    Their reference files too, laid out like the archive's public bucket.
    """
    from wfc3tvb.simulate.visit import simulate as run_simulate

    with bars() as progress:
        run_simulate(out, preset=preset, size=size, seed=seed, products=products, progress=progress)
    tell(f"wrote {out}; serve it with: wfc3tvb archive {out}")


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option(
    "--ports",
    type=(_PORT, _PORT),
    default=(8800, 8801),
    show_default=True,
    metavar="MAST S3",
    help="Ports of MAST with CRDS, and of the bucket; 0 takes a free one.",
)
@click.option(
    "--log",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File of JSON lines, one per request, with the bytes sent.",
)
@example("wfc3tvb archive my-archive")
def archive(folder: Path, ports: tuple[int, int], log: Path | None) -> None:
    """Serve a folder as MAST, S3 and CRDS, until Ctrl-C.

    On this machine only; prints the environment variables that point clients at it.
    """
    import threading

    from wfc3tvb.errors import BadArgumentError
    from wfc3tvb.loopback import serve

    if not (folder / "hst" / "public").is_dir():
        problem = f"{folder}: not laid out like the public bucket (hst/public/...)"
        raise BadArgumentError(f"{problem}; make such a folder with: wfc3tvb simulate {folder}")
    with serve(folder, ports=ports, log=log) as served:
        tell(f"serving {folder}; in another terminal:")
        for name, value in served.environment().items():
            click.echo(f"export {name}={value}")
        threading.Event().wait()
