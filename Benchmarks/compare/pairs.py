"""Pairs of results of some 2 kB, one in a hundred of which differs at one place: a line of JSON each, `[legacy, shadow]`."""

from __future__ import annotations

import copy
import json
import random
import sys


def main() -> None:
    random.seed(7)
    for number in range(int(sys.argv[1])):
        rows = [
            {
                "id": number * 20 + row,
                "name": f"row {row}",
                "score": random.random(),
                "tags": ["a", "b", str(row)],
                "on": True,
            }
            for row in range(22)
        ]
        legacy = {"rows": rows, "count": len(rows), "note": "x" * 60}
        shadow = copy.deepcopy(legacy)
        if number % 100 == 0:
            shadow["rows"][7]["score"] += 1
        print(json.dumps([legacy, shadow]))


main()
