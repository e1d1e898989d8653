"""`python -m bench [NAME ...]`: runs the named benchmarks, or all: every other script or package here, in turn."""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def main(wanted: list[str]) -> int:
    """The exit status: 0 when all of them succeeded."""
    scripts = [path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_")]
    known = sorted(scripts + [path.parent.name for path in FOLDER.glob("*/__main__.py")])
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        sys.stderr.write(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(known)}\n")
        return 2
    status = 0
    for name in wanted or known:
        sys.stdout.write(f"\nbench.{name}\n\n")
        sys.stdout.flush()
        status |= subprocess.run([sys.executable, "-m", f"bench.{name}"], cwd=FOLDER.parent, check=False).returncode
    return int(status != 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
