"""Commands simulate and archive."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

import click

from wfc3tvb.cli.app import echo, example, main, print_text
from wfc3tvb.cli.completion import complete_presets
from wfc3tvb.cli.progress import progress_bars

_PORT = click.IntRange(0, 65535)


@main.command()
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--preset",
    shell_complete=complete_presets,
    default="demo",
    show_default=True,
    help="Visit to simulate; with an unknown name, the known ones are listed.",
)
@click.option(
    "--size",
    type=click.IntRange(64, 1024),
    help="Height and width of the frame: 64, 128, 256, 512 or 1024; default: that of the preset.",
)
@click.option("--seed", type=int, help="Seed of the random numbers; the same seed gives identical files.")
@click.option(
    "--products/--no-products",
    default=True,
    show_default=True,
    help="Also make the IMA, FLT and DRZ files, as in the archive.",
)
@example("wfc3tvb simulate my-archive --preset ibohbf040")
def simulate(out: Path, preset: str, size: int | None, seed: int | None, products: bool) -> None:
    """Make simulated exposures with known truth.

    Reference files are made too; the folder has the layout of the archive's public bucket.
    """
    from wfc3tvb.simulate.visit import simulate as run_simulate

    with progress_bars() as progress:
        run_simulate(out, preset=preset, size=size, seed=seed, products=products, progress=progress)
    print_text(f"wrote {out}; serve it with: wfc3tvb archive {quote(str(out))}")


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option(
    "--ports",
    type=(_PORT, _PORT),
    default=(8800, 8801),
    show_default=True,
    metavar="MAST S3",
    help="Port of MAST and CRDS, and port of the bucket; 0 for a free one.",
)
@click.option(
    "--log",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a line of JSON per request, with the bytes sent, to this file.",
)
@example("wfc3tvb archive my-archive")
def archive(folder: Path, ports: tuple[int, int], log: Path | None) -> None:
    """Serve a folder as MAST, S3 and CRDS, until Ctrl-C.

    Only this machine can connect. The environment variables that direct clients to it are printed.
    """
    import threading

    from wfc3tvb.errors import BadArgumentError
    from wfc3tvb.loopback import serve

    if not (folder / "hst" / "public").is_dir():
        problem = f"{folder}: not in the layout of the public bucket (hst/public/...)"
        raise BadArgumentError(f"{problem}; create such a folder with: wfc3tvb simulate {quote(str(folder))}")
    with serve(folder, ports=ports, log=log) as served:
        print_text(f"serving {folder}; in another terminal:")
        for name, value in served.environment().items():
            echo(f"export {name}={quote(value)}")
        threading.Event().wait()
