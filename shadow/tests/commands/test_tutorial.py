"""The tutorial's commands, run as they stand in its page, in one shell; each prints what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field

from testing.world import BAILEY, ROOT

PAGE = ROOT / "docs" / "tutorial.md"
LIMIT = 900
MARK = "@@ status"


@dataclass
class Block:
    """Commands, each on a line of its own, and lines of what they print: `…` stands for anything."""

    commands: list[str]
    printed: list[str] = field(default_factory=list)


def blocks() -> list[Block]:
    """The blocks that a reader runs by hand: those before the page comes to the whole demo."""
    text = PAGE.read_text(encoding="utf-8").split("\n## The whole road")[0]
    found: list[Block] = []
    for kind, body in re.findall(r"^```(sh|text)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if kind == "sh":
            found.append(Block(body.splitlines()))
        else:
            found[-1].printed = body.splitlines()
    return found


def script(found: list[Block]) -> str:
    """All of it as one script that says how each command ended. The program and the interpreter are those under test."""
    lines = ["trap 'rm -rf \"$company\"' EXIT"]
    for number, block in enumerate(found):
        lines.append(f"echo '@@ block {number}'")
        for command in block.commands:
            command = command.replace("$PWD/.build/release", str(BAILEY.parent))
            command = command.replace("$PWD/.env-lab/bin/python", sys.executable)
            lines += [command.partition("#")[0], f'echo "{MARK} $?"']
    return "\n".join(lines) + "\n"


def test_every_command_does_what_the_page_says() -> None:
    found = blocks()
    assert len(found) >= 6 and sum(len(block.commands) for block in found) >= 18
    clean = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    done = subprocess.run(
        ["bash", "-c", script(found)],
        stdin=subprocess.DEVNULL,
        cwd=ROOT,
        env={**clean, "LAB_PATIENCE": os.environ.get("LAB_PATIENCE", "4")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    outputs = re.split(r"^@@ block \d+\n", done.stdout, flags=re.MULTILINE)[1:]
    assert len(outputs) == len(found), done.stdout[-4000:]
    for block, output in zip(found, outputs):
        wanted = [int(match[1]) if (match := re.search(r"# status (\d)", line)) else 0 for line in block.commands]
        statuses = [int(one) for one in re.findall(rf"^{MARK} (\d+)$", output, re.MULTILINE)]
        assert statuses == wanted, f"{block.commands}\n{output[-4000:]}"
        flat = " ".join(re.sub(rf"^{MARK} \d+$", "", output, flags=re.MULTILINE).split())
        place = 0
        for line in block.printed:
            pattern = ".*?".join(re.escape(part) for part in " ".join(line.split()).split("…"))
            match = re.compile(pattern).search(flat, place)
            assert match, f"not printed, or not there: {line}\n{output[-6000:]}"
            place = match.end()
