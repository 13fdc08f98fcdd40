"""Makes the users of an Airflow 2.11 (`python -m lab.airflow_users`, in its environment): its command asks passwords.

Reads from LAB_AIRFLOW_USERS a JSON list of [name, role, password].
"""

from __future__ import annotations

import json
import os

from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder


def main() -> None:
    """Adds each user."""
    with get_application_builder() as builder:
        manager = builder.sm
        # The web server would make the roles at its first start.
        manager.sync_roles()
        for name, role, password in json.loads(os.environ["LAB_AIRFLOW_USERS"]):
            if not manager.add_user(name, name, "Lab", f"{name}@example.org", manager.find_role(role), password):
                raise SystemExit(f"the user {name} was not made")


if __name__ == "__main__":
    main()
