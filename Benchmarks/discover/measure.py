"""Times a look at a database of many tables, beside a statement that only lists all of their columns. python measure.py BAILEY TABLES"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from typing import Callable

import psycopg

from testing.postgres import cluster

LIMIT = 3.0
COLUMNS = """SELECT n.nspname, c.relname, array_agg(a.attname::text) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%' GROUP BY 1, 2"""


def median(body: Callable[[], object]) -> float:
    """The median of five."""
    times = []
    for _ in range(5):
        began = time.monotonic()
        body()
        times.append(time.monotonic() - began)
    return statistics.median(times)


def main() -> int:
    bailey, tables = sys.argv[1], int(sys.argv[2])
    with cluster() as url, psycopg.connect(url, autocommit=True) as connection:
        for start in range(0, tables, 500):
            connection.execute(
                f"""DO $$ BEGIN FOR n IN {start}..{min(start + 500, tables) - 1} LOOP EXECUTE format('CREATE TABLE t%s (id int, name text,
                status text, created_at timestamptz, updated_at timestamptz, kind int, amount numeric, note text, a1 int, a2 text, a3 jsonb)', n);
                END LOOP; END $$"""
            )

        def discover() -> None:
            done = subprocess.run([bailey, "discover", url, "--json"], capture_output=True, text=True, check=False)
            # 1 is that nothing works there.
            assert done.returncode in (0, 1) and json.loads(done.stdout)["whole"]

        discover()
        plain = median(lambda: connection.execute(COLUMNS).fetchall())
        took = median(discover)
    print(
        f"{tables} tables: discover {took:.2f} s (limit {LIMIT:g} s); all their columns by one plain statement {plain:.2f} s"
    )
    return 0 if took < LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
