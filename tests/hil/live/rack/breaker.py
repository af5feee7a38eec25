"""A breaker IED of somebody else's make: open61850's GOOSE publisher, as its own program is told.

python breaker.py INTERFACE
"""

import sys
import time

from open61850.data import BoolData
from open61850.goose_publisher import GooseControl, GoosePublisher

TURN_S = 2.0


def main() -> None:
    control = GooseControl(
        "FOREIGN1LD0/LLN0$GO$gcb1",
        "FOREIGN1LD0/LLN0$pos",
        app_id=1,
        dst_mac="01:0c:cd:01:00:01",
        src_mac="02:00:00:00:00:21",
    )
    closed = True
    with GoosePublisher(sys.argv[1], control, [BoolData(closed)]) as publisher:
        publisher.start()
        print("it listens", flush=True)
        while True:
            time.sleep(TURN_S)
            closed = not closed
            publisher.publish([BoolData(closed)])


if __name__ == "__main__":
    main()
