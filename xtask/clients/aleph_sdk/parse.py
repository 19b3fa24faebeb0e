"""Reads messages as their author publishes them with the Aleph network's own classes.

Usage: parse.py FILE...

Prints `ok FILE` for each and `N passed` at the end; what the classes refuse is a traceback.
"""

import json
import sys

from aleph_message import parse_message

for file in sys.argv[1:]:
    with open(file) as text:
        message = json.load(text)
    # The network hands messages out with their content beside them.
    message["content"] = json.loads(message["item_content"])
    parsed = parse_message(message)
    assert parsed.item_hash == message["item_hash"], file
    assert parsed.type == message["type"], file
    print(f"ok {file}")
print(f"{len(sys.argv) - 1} passed")
