"""Makes and reads the records that Go and Python exchange.

    python3 make_vectors.py > vectors.json      makes the vectors
    python3 make_vectors.py --read < requests   reads records, a line each

Nothing but the standard library is used: json and codecs do what py-memoize's
JsonSerDe and EncodingSerDe have them do.
"""

import base64
import codecs
import json
import sys
from datetime import datetime, timedelta, timezone

INSTANTS = ("created", "update_after", "expires_after")
CREATED = datetime(2024, 2, 29, 12, 34, 56, 789012, tzinfo=timezone.utc)
NEVER = 9223372036.854776

VALUES = {
    "null": None,
    "zero": 0,
    "false": False,
    "empty string": "",
    "empty list": [],
    "empty object": {},
    "number": -1.5e-7,
    "unicode": "žluťoučký kůň 🐎 \u2028 <&> \x00 \"quoted\"",
    "nested": {"a": [1, None, {"b": [[], {}]}], "": {"c": "d"}},
    "large": {"text": "over and over " * 200, "numbers": list(range(100))},
}
CHAINS = [[], ["zip"], ["base64"], ["bz2"], ["zip", "base64"], ["bz2", "base64"]]


def write(record, encodings):
    data = json.dumps(record).encode("utf-8")
    for name in encodings:
        data = codecs.encode(data, name)
    return base64.b64encode(data).decode("ascii")


def read(data, encodings):
    data = base64.b64decode(data)
    for name in reversed(encodings):
        data = codecs.decode(data, name)
    return json.loads(data.decode("utf-8"))


def records():
    life = [CREATED.timestamp(), (CREATED + timedelta(minutes=10)).timestamp(), (CREATED + timedelta(minutes=30)).timestamp()]
    for name, value in VALUES.items():
        yield name, dict(zip(INSTANTS, life), value=value)
    for name, instants in {
        "as documented": (1.0, 2.0, 3.5),
        "integers": (1, 2, 3),
        "before the epoch": (-1.5, -0.25, 0.0),
        "never": (life[0], NEVER, NEVER),
        "the last day of Python": (life[0], life[1], datetime.max.replace(tzinfo=timezone.utc).timestamp()),
    }.items():
        yield name, dict(zip(INSTANTS, instants), value={"a": [1, None]})


def make():
    entries = [
        {"name": name, "entry": record, "records": {"+".join(chain): write(record, chain) for chain in CHAINS}}
        for name, record in records()
    ]
    bomb = base64.b64encode(codecs.encode(bytes(16 << 20), "bz2")).decode("ascii")
    json.dump({"entries": entries, "bomb": bomb}, sys.stdout, indent=0)
    print()


def serve():
    for line in sys.stdin:
        request = json.loads(line)
        record = read(request["record"], request["encodings"])
        answer = {
            "value": record["value"],
            "types": [type(record[name]).__name__ for name in INSTANTS],
            # The way by which py-memoize makes instants of them.
            "instants": [datetime.fromtimestamp(record[name], timezone.utc).isoformat(timespec="microseconds") for name in INSTANTS],
        }
        print(json.dumps(answer))


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["--read"] else make()
