"""`python -m benchmarks.memory URL`: the most memory, in MB, of a process that serves one request of 6 MB."""

import json
import resource
import sys

from benchmarks.__main__ import collect, collector, context, event, post

_ONE = json.dumps(event("0" * 6, text="x" * 300)).encode()
COUNT = 6_000_000 // (len(_ONE) + 1)

if __name__ == "__main__":
    events = b",".join(_ONE.replace(b"000000", b"%06d" % number) for number in range(COUNT))
    response = collect(post(b'{"events": [' + events + b"]}"), context(), collector(sys.argv[1]))
    assert response["statusCode"] == 202, response
    sys.__stdout__.write(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}\n")  # type: ignore[union-attr]
