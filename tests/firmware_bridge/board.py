"""The vectors, checked by the firmware's own code; it runs on MicroPython and on CPython alike.

    micropython board.py ROOT        a line for each thing that holds, or an exception

ROOT: the folder that has firmware_bridge/ and vectors.json beside each other.
"""

import json
import struct
import sys
from binascii import unhexlify as octets

sys.path.insert(0, sys.argv[1])

from firmware_bridge import curve25519, ed25519, frame, link, ring
from firmware_bridge.curve25519 import run
from firmware_bridge.gateway import Gateway
from firmware_bridge.packet import Packer, Unpacker
from firmware_bridge.sha512 import sha512


def equal(what, found, wanted):
    if found != wanted:
        raise ValueError(f"{what}: {found!r} is not {wanted!r}")


def frames(told):
    chain = frame.Chain(octets(told["key"]), octets(told["public"]), told["boot"])
    follower = frame.Follower(octets(told["key"]), octets(told["public"]))
    buffer = bytearray(frame.FRAME_MAX_BYTES)
    for one in told["frames"]:
        body = octets(one["body"])
        buffer[frame.HEADER_BYTES : frame.HEADER_BYTES + len(body)] = body
        size = chain.seal(
            buffer, frame.TAPPED, one["port"], 1, one["ticks_us"], one["span_us"], len(body)
        )
        raw = octets(one["raw"])
        equal("frame", bytes(buffer[:size]), raw)
        equal("link", chain.link, octets(one["link"]))
        equal("body", follower.take(raw).body, body)
        equal("followed", follower.link, chain.link)


def head(told):
    signer = ed25519.Signer(octets(told["seed"]))
    equal("public key", run(signer.prepared()), octets(told["public"]))
    message, signature = octets(told["head"]["message"]), octets(told["head"]["signature"])
    last = told["frames"][-1]
    equal(
        "message",
        frame.head_message(
            signer.public, told["boot"], len(told["frames"]) - 1, octets(last["link"])
        ),
        message,
    )
    equal("signature", run(signer.signed(message)), signature)
    equal("verified", run(ed25519.verified(signer.public, message, signature)), True)
    equal("another", run(ed25519.verified(signer.public, message + b"x", signature)), False)


def agreement(told):
    one = told["x25519"]
    shared = run(curve25519.x25519(octets(one["scalar"]), octets(one["point"])))
    equal("shared", shared, octets(one["shared"]))


def digests(told):
    for one in told["sha512"]:
        equal("digest", run(sha512(octets(one["message"]))), octets(one["digest"]))


def packets(told):
    packer, unpacker = Packer(1024), Unpacker(1024)
    for one in told["packets"]:
        body, packet = octets(one["body"]), octets(one["packet"])
        equal("packet", bytes(packer.buffer[: packer.pack(one["kind"], body)]), packet)
        equal("unpacked", unpacker.feed(packet), [(one["kind"], body)])
    equal("damaged", unpacker.damaged, 0)


def pong(told):
    """A board that is asked, as it would be by a gateway."""
    one, key = told["pong"], octets(told["key"])
    board = link.Board(ring.Ring(64), told["boot"], bytes(8), (1, 2, 3), 460_800, key)
    packer = Packer(64)
    for kind, body, now in (
        (link.HELLO, struct.pack(link.HELLO_BODY, 1, 1, one["session"], 0), 0),
        (
            link.PING,
            struct.pack(link.PING_BODY, one["session"], octets(one["nonce"])),
            one["heard_us"],
        ),
    ):
        board.receive(bytes(packer.buffer[: packer.pack(kind, body)]), now)
    board.output(one["said_us"])  # WELCOME
    size = board.output(one["said_us"])
    equal("pong", bytes(board.packer.buffer[:size]), octets(one["packet"]))


def session(told):
    """Both ends, here: all frames arrive, in order, are kept, and the time is believed."""
    kept = ring.Ring(4096)
    for one in told["frames"]:
        equal("put", kept.put(memoryview(octets(one["raw"]))), True)
    board = link.Board(
        kept, told["boot"], octets(told["public"])[:8], (1, 2, 3), 460_800, octets(told["key"])
    )
    gateway = Gateway(lambda: 9, 4096, 100, octets(told["key"]))
    arrived = []
    for turn in range(1, 40):
        now_ns = turn * 30_000_000 + 500_000_000
        board.receive(gateway.output(now_ns), turn * 30_000)
        size = board.output(turn * 30_000)
        arrived += gateway.receive(bytes(board.packer.buffer[:size]), now_ns)
    equal("arrived", arrived, [octets(one["raw"]) for one in told["frames"]])
    equal("heard", (kept.first, kept.heard), (0, len(arrived)))
    gateway.keep(told["boot"], len(arrived) - 1)
    board.receive(gateway.output(3_000_000_000), 3_000_000)
    equal("kept", kept.first, len(arrived))
    equal("time", (gateway.offset.at_ns is not None, gateway.forged), (True, 0))


def main():
    with open(sys.argv[1] + "/vectors.json") as file:
        told = json.load(file)
    for check in (frames, head, agreement, digests, packets, pong, session):
        check(told)
        print("holds", check.__name__ if hasattr(check, "__name__") else "")


main()
