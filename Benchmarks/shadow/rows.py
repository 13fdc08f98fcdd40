"""What reladiff takes to compare the same two tables; `rows.py LEGACY SHADOW TABLE KEY COLUMN…`."""

from __future__ import annotations

import sys
import time

import reladiff


def main() -> None:
    legacy, shadow, table, key, *columns = sys.argv[1:]
    began = time.perf_counter()
    one = reladiff.connect_to_table(legacy, table, key, extra_columns=tuple(columns))
    other = reladiff.connect_to_table(shadow, table, key, extra_columns=tuple(columns))
    count = sum(1 for _ in reladiff.diff_tables(one, other))
    print(f"reladiff  {time.perf_counter() - began:7.2f} s, {count} rows told")


main()
