"""A bundle of evidence: whole as it is written, and whatever is changed in it is found."""

from __future__ import annotations

import hashlib
import io
import json
import random
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stage import BAILEY, Stage, wait_until

Parts = dict[str, bytes]


def verify(path: Path, *words: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [str(BAILEY), "verify-bundle", str(path), *words, "--json"],
        cwd=path.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, json.loads(done.stdout or "{}")


def read(path: Path) -> Parts:
    with tarfile.open(path) as tar:
        return {part.name: tar.extractfile(part).read() for part in tar.getmembers()}  # type: ignore[union-attr]


def write(path: Path, parts: Parts) -> Path:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in parts.items():
            part = tarfile.TarInfo(name)
            part.size = len(content)
            tar.addfile(part, io.BytesIO(content))
    return path


def hashed(parts: Parts) -> Parts:
    """The parts with a manifest that says of each what it is."""
    rest = {name: content for name, content in parts.items() if name != "MANIFEST.sha256"}
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in rest.items()]
    return {**rest, "MANIFEST.sha256": "".join(lines).encode()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A bundle of three pipelines, one of which differs; and the digest that was told."""
    stage = Stage(tmp_path_factory.mktemp("bundle") / "stage")
    cases = ("same-1", "differs-0-key", "error-1")
    with stage.running():
        for name in cases:
            stage.entry(name, "planted.case", [name], 86_400)
            stage.map(name, {"python": {"callable": "planted_cases:shadow", "environment": "planted"}})
        stage.beat()
        wait_until("every case ran", lambda: stage.results() == len(cases), 60)
        stage.json("import")
        stage.json("shadow", "--from-history")
        # Compared once more: what was compared before stays in it.
        stage.json("shadow", "--from-history")
        done = subprocess.run(
            [str(BAILEY), "report", "--bundle", "evidence.tar"],
            cwd=stage.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 1, done.stderr
    [line] = [line for line in done.stderr.splitlines() if "SHA-256 of its manifest" in line]
    return stage.folder / "evidence.tar", line.split()[-1]


def test_it_is_whole_and_others_can_check_it(made: tuple[Path, str], tmp_path: Path) -> None:
    path, digest = made
    status, verdict = verify(path, "--digest", digest)
    assert (status, verdict["faults"], verdict["holds"]) == (0, [], True)
    assert verdict["digest"] == digest == hashlib.sha256(read(path)["MANIFEST.sha256"]).hexdigest()
    parts = read(path)
    assert verdict["parts"] == len(parts) - 1 == 4 + 1 + 3 + 3 + 3 * 3
    subprocess.run(["tar", "-xf", str(path), "-C", str(tmp_path)], check=True)
    subprocess.run(["sha256sum", "--strict", "-c", "MANIFEST.sha256"], cwd=tmp_path, check=True, capture_output=True)
    lines = [json.loads(line) for line in parts["pipelines/differs-0-key/comparisons.jsonl"].splitlines()]
    assert [(one["verdict"], one["replaced"], one["counts"]) for one in lines] == [
        ("mismatch", True, False),
        ("mismatch", False, True),
    ]
    assert lines[1]["comparison"]["differences"][0]["path"] == "$.found"
    policy = json.loads(parts["pipelines/differs-0-key/policy.json"])
    assert {line["rule"] for line in policy["evaluation"]["lines"]} >= {"observer", "in-a-row", "coverage"}
    # Nobody else may read what jobs were called with.
    assert path.stat().st_mode & 0o077 == 0


def test_every_byte_of_every_part_counts(made: tuple[Path, str], tmp_path: Path) -> None:
    parts = read(made[0])
    choice = random.Random(5)
    for name, content in parts.items():
        place = choice.randrange(len(content)) if content else 0
        for other in (
            content[:place] + bytes([(content[place] ^ 1) if content else 65]) + content[place + 1 :],
            content[:-1] if content else b"x",
            content + b"\n",
        ):
            status, verdict = verify(write(tmp_path / "b.tar", {**parts, name: other}))
            assert status == 1 and verdict["faults"], (name, place)
            if name != "MANIFEST.sha256":
                assert any(name in fault for fault in verdict["faults"]), (name, verdict["faults"])


def test_no_part_can_be_left_out_added_or_renamed(made: tuple[Path, str], tmp_path: Path) -> None:
    parts = read(made[0])
    for name in parts:
        assert verify(write(tmp_path / "b.tar", {k: v for k, v in parts.items() if k != name}))[0] == 1, name
        renamed = {(f"{k}x" if k == name else k): v for k, v in parts.items()}
        assert verify(write(tmp_path / "b.tar", renamed))[0] == 1, name
    assert verify(write(tmp_path / "b.tar", {"more": b"", **parts}))[0] == 1
    assert verify(write(tmp_path / "b.tar", {**parts, "more": b""}))[0] == 1


def edited(name: str, change: Callable[[Any], Any]) -> Callable[[Parts], Parts]:
    def edit(parts: Parts) -> Parts:
        return {**parts, name: (json.dumps(change(json.loads(parts[name])), indent=2) + "\n").encode()}

    return edit


def without_mismatches(parts: Parts) -> Parts:
    name = "pipelines/differs-0-key/comparisons.jsonl"
    return {**parts, name: parts[name].replace(b'"mismatch"', b'"match"')}


FORGERIES: dict[str, Callable[[Parts], Parts]] = {
    "a report that says match": edited("pipelines/differs-0-key/report.json", lambda it: {**it, "verdict": "match"}),
    "a report with other counts": edited("pipelines/same-1/report.json", lambda it: {**it, "match": 20}),
    "comparisons that match": without_mismatches,
    "a comparison that counts no more": lambda parts: {
        **parts,
        "pipelines/error-1/comparisons.jsonl": parts["pipelines/error-1/comparisons.jsonl"].replace(
            b'"counts":true', b'"counts":false'
        ),
    },
    "comparisons left out": lambda parts: {**parts, "pipelines/error-1/comparisons.jsonl": b""},
    "a policy that holds": edited(
        "pipelines/error-1/policy.json", lambda it: {**it, "evaluation": {**it["evaluation"], "holds": True}}
    ),
    "another DAG": lambda parts: {**parts, "dags/same-1.py": parts["dags/same-1.py"] + b"# more\n"},
    "a DAG of another mapping": edited("dags.json", lambda it: [{**one, "form": "0" * 16} for one in it]),
    "a pipeline left out": lambda parts: {name: it for name, it in parts.items() if "error-1/" not in name},
    "no journal": lambda parts: {name: it for name, it in parts.items() if name != "journal.jsonl"},
    "an inventory that is none": lambda parts: {**parts, "inventory.json": b"{"},
    "another version": edited("bundle.json", lambda it: {**it, "version": 2}),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_who_changes_the_hashes_as_well_is_found_by_what_does_not_agree(
    name: str, made: tuple[Path, str], tmp_path: Path
) -> None:
    forged = hashed(FORGERIES[name](read(made[0])))
    status, verdict = verify(write(tmp_path / "b.tar", forged))
    assert status == 1 and verdict["faults"], name
    assert not any("hash is another one" in fault for fault in verdict["faults"]), verdict["faults"]


def test_a_forgery_that_agrees_with_itself_is_found_by_the_digest_that_was_told(
    made: tuple[Path, str], tmp_path: Path
) -> None:
    path, digest = made
    parts = read(path)
    inventory = json.loads(parts["inventory.json"])
    inventory["entries"] = inventory["entries"][:-1]
    forged = write(tmp_path / "b.tar", hashed({**parts, "inventory.json": json.dumps(inventory).encode()}))
    assert verify(forged)[0] == 0
    status, verdict = verify(forged, "--digest", digest)
    assert status == 1 and verdict["faults"] == [f"the manifest is another one than that whose SHA-256 is {digest}"]


def test_what_is_no_bundle_is_told(made: tuple[Path, str], tmp_path: Path) -> None:
    whole = made[0].read_bytes()
    odd = {
        "empty": b"",
        "text": b"hello" * 500,
        "cut": whole[: len(whole) // 2],
        "more after its end": whole + b"x" * 512,
        "a damaged head": whole[:3] + b"\xff" + whole[4:],
    }
    for what, content in odd.items():
        (tmp_path / "b.tar").write_bytes(content)
        status, verdict = verify(tmp_path / "b.tar")
        assert status == 1 and verdict["faults"], what
    parts = read(made[0])
    for name in ("../up", "/etc/passwd", "a/../../b"):
        assert verify(write(tmp_path / "b.tar", hashed({**parts, name: b"x"})))[0] == 1, name
    with tarfile.open(tmp_path / "b.tar", "w") as tar:
        link = tarfile.TarInfo("bundle.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    assert verify(tmp_path / "b.tar")[0] == 1
    assert verify(tmp_path / "none.tar")[0] == 2


def test_a_bundle_of_a_million_faults_or_gigabytes_is_told_in_a_page(tmp_path: Path) -> None:
    path = write(tmp_path / "lines.tar", hashed({"bundle.json": b"{}", "journal.jsonl": b"x\n" * 20_000}))
    status, verdict = verify(path)
    assert status == 1 and len(verdict["faults"]) < 250 and "faults more" in verdict["faults"][-1]
    # Parts of nothing but zeros take no place on the disk.
    path = tmp_path / "sparse.tar"
    part = tarfile.TarInfo("plan.json")
    part.size = 300 << 20
    with path.open("wb") as file:
        file.write(part.tobuf(tarfile.USTAR_FORMAT))
        file.truncate(part.size + 2048)
    status, verdict = verify(path)
    assert status == 1 and "plan.json is too long" in " ".join(verdict["faults"]), verdict
