"""Makes the helpers of this folder and of the switch's importable."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "switch"), str(HERE.parents[1])]
