"""What peers take to compare the same pairs: dictdiffer, and Python's own `json.loads` and `==`."""

from __future__ import annotations

import json
import sys
import time


def main() -> None:
    pairs = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
    texts = [(json.dumps(a), json.dumps(b)) for a, b in pairs]
    began = time.perf_counter()
    equal = sum(json.loads(a) == json.loads(b) for a, b in texts)
    print(f"json.loads and ==   {(time.perf_counter() - began) / len(pairs) * 1e6:8.1f} µs a pair ({equal} equal)")
    try:
        import dictdiffer
    except ImportError:
        print("dictdiffer          not installed")
        return
    began = time.perf_counter()
    differing = sum(bool(list(dictdiffer.diff(a, b))) for a, b in pairs)
    print(f"dictdiffer          {(time.perf_counter() - began) / len(pairs) * 1e6:8.1f} µs a pair ({differing} differ)")


main()
