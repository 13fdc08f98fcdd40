"""Which Airflow this is. Two that have the same DAG give its runs the same ids, so ids do not tell them apart."""

from __future__ import annotations

import hashlib
import os

# What a person who knows better calls this installation.
VARIABLE = "BAILEY_INSTALLATION"
# What differs between installations and not between the processes of one.
_OPTIONS = (
    ("api", "base_url"),
    ("webserver", "base_url"),
    ("core", "execution_api_server_url"),
    ("core", "fernet_key"),
)


def installation() -> str:
    """The name of this installation: the environment's `BAILEY_INSTALLATION`, else a digest of what its configuration says of it."""
    if named := os.environ.get(VARIABLE, "").strip():
        return named[:64]
    from airflow.configuration import conf

    parts = [os.environ.get("AIRFLOW_HOME", "")]
    for section, option in _OPTIONS:
        try:
            parts.append(conf.get(section, option, fallback="") or "")
        except Exception:  # An option that this version does not know, or a secret that this process may not read.
            parts.append("")
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
