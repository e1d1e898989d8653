"""`python -m bench [NAME ...]`: runs the named benchmarks, or one after the other all that README and docs tell of."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent

MINUTES: Final = {"kiosk": 4, "latency": 2, "engines": 2, "media": 20}
"""Those that run without being named, and how long each takes on two cores."""


def main(wanted: list[str]) -> int:
    """The exit status: 0 when all of them succeeded."""
    scripts = [path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_")]
    known = sorted(scripts + [path.parent.name for path in FOLDER.glob("*/__main__.py")])
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        sys.stderr.write(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(known)}\n")
        return 2
    chosen = wanted or list(MINUTES)
    if not wanted:
        parts = ", ".join(f"{name} {minutes}" for name, minutes in MINUTES.items())
        _say(f"About {sum(MINUTES.values())} minutes: {parts}. Leave the machine alone meanwhile.")
    begun, failed = time.monotonic(), []
    for name in chosen:
        _say(f"\nbench.{name}\n")
        if subprocess.run([sys.executable, "-m", f"bench.{name}"], cwd=FOLDER.parent, check=False).returncode:
            failed.append(name)
    result = f"failed: {', '.join(failed)}" if failed else "all done"
    _say(f"\n{(time.monotonic() - begun) / 60:.0f} minutes; {result}")
    return int(bool(failed))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
