"""How a client's program tells the tests what it saw: one line of JSON for each fact."""

import json
import sys


def tell(fact: str, **about: object) -> None:
    sys.stdout.write(json.dumps({"fact": fact, **about}) + "\n")
    sys.stdout.flush()
