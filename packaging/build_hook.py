"""Build hook of hatchling: man pages and completion scripts, made from the commands themselves."""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: Where each shell looks for completion scripts, below the prefix of the installation.
COMPLETIONS = {
    "bash": "share/bash-completion/completions/wfc3tvb",
    "zsh": "share/zsh/site-functions/_wfc3tvb",
    "fish": "share/fish/vendor_completions.d/wfc3tvb.fish",
}


class ManPagesAndCompletion(BuildHookInterface):  # type: ignore[type-arg]
    """Add ``share/man`` and the completion scripts to the wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the files into a scratch folder of the build and name them to the builder."""
        made = Path(self.directory).parent / "build" / "share"
        sys.path.insert(0, str(Path(self.root) / "src"))  # the command line needs click alone
        try:
            files = write_all(made)
        finally:
            sys.path.pop(0)
        build_data.setdefault("shared_data", {}).update({str(path): target for path, target in files.items()})


def write_all(folder: Path) -> dict[Path, str]:
    """Write the files into a folder; return where each belongs below the prefix."""
    return {folder / target: target for target in [*_man_pages(folder), *_completions(folder)]}


def _man_pages(folder: Path) -> list[str]:
    from click_man.core import write_man_pages

    from wfc3tvb import __version__
    from wfc3tvb.cli import main

    main.commands = {name: command for name, command in main.commands.items() if not command.hidden}
    for command in (main, *main.commands.values()):
        command.short_help = (command.help or "").partition("\n")[0]  # else cut at 45 characters
    man = folder / "share" / "man" / "man1"
    man.mkdir(parents=True, exist_ok=True)
    write_man_pages("wfc3tvb", main, version=__version__, target_dir=str(man), date=_day())
    pages = sorted(man.glob("*.1"))
    for page in pages:
        # click marks a paragraph that keeps its lines with a backspace.
        text = re.sub(
            r"\x08\n(.*?)(?=\n\.(?:PP|SH))", r".nf\n\1\n.fi", page.read_text(encoding="utf-8"), flags=re.DOTALL
        )
        page.write_text(text, encoding="utf-8")
    return [page.relative_to(folder).as_posix() for page in pages]


def _day() -> str:
    """Return the date of the pages: that of a reproducible build, or today."""
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def _completions(folder: Path) -> list[str]:
    from click.shell_completion import BashComplete, ShellComplete, ZshComplete

    from wfc3tvb.cli import main
    from wfc3tvb.cli.completion import Fish

    class Bash(BashComplete):
        """The script for bash, whose version on the machine of the build does not matter."""

        @staticmethod
        def _check_version() -> None:
            pass

    shells: dict[str, type[ShellComplete]] = {"bash": Bash, "zsh": ZshComplete, "fish": Fish}
    for shell, script in shells.items():
        path = folder / COMPLETIONS[shell]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script(main, {}, "wfc3tvb", "_WFC3TVB_COMPLETE").source(), encoding="utf-8")
    return list(COMPLETIONS.values())
