"""The gate of pipelines whose entries lie in an almanac: it asks the switch in the almanac's file."""

from __future__ import annotations

import fcntl
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from bailey_runtime.compat import BaseHook
from bailey_runtime.connections import connection_id
from bailey_runtime.dag import BaileyGate
from bailey_runtime.dag_run import DagRunInfo, iso


class AlmanacGate(BaileyGate):
    """Claims a tick in the almanac, which it holds locked meanwhile."""

    def ask(self, run: DagRunInfo) -> dict[str, str]:
        """Whether the tick of a scheduled run is Airflow's."""
        if run.tick is None:
            return {"mode": "wait", "how": "no-tick", "note": "the run has no tick", "fence": ""}
        path = Path(BaseHook.get_connection(connection_id(self.source or "")).extra_dejson["path"])
        tick = iso(run.tick)
        with open(f"{path}.lock", "a", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            found = document["switches"].setdefault(run.dag_id, {"state": "legacy"})
            found["asked"] = tick
            begins = found.get("from")
            is_mine = found["state"] == "airflow" and begins is not None and _instant(begins) <= run.tick
            claims = found.setdefault("claims", [])
            other = next((claim["run"] for claim in claims if claim["tick"] == tick), None)
            if is_mine and other is None:
                claims.insert(0, {"tick": tick, "run": run.id})
            new = path.with_suffix(".new")
            new.write_text(json.dumps(document), encoding="utf-8")
            os.replace(new, path)
        fence = str(found.get("fence", 0))
        if not is_mine:
            return {"mode": "shadow", "how": "not-ours", "note": "the almanac's own clock runs it", "fence": fence}
        if other not in (None, run.id):
            return {"mode": "skip", "how": "claimed", "note": f"{other} has it", "fence": fence}
        return {"mode": "live", "how": "live", "note": "", "fence": fence}


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
