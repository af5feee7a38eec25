"""The vectors, checked by the firmware's own code; it runs on MicroPython and on CPython alike.

    micropython board.py ROOT        a line for each thing that holds, or an exception

ROOT: the folder that has firmware_bridge/ and vectors.json beside each other.
"""

import json
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


def session(told):
    """Both ends, here: all frames arrive, in order."""
    kept = ring.Ring(4096)
    for one in told["frames"]:
        equal("put", kept.put(memoryview(octets(one["raw"]))), True)
    board = link.Board(kept, told["boot"], octets(told["public"])[:8], (1, 2, 3), 460_800)
    gateway = Gateway(lambda: 9, 4096, 100)
    arrived = []
    for turn in range(1, 40):
        board.receive(gateway.output(turn * 30_000_000 + 500_000_000), turn * 30_000)
        size = board.output(turn * 30_000)
        arrived += gateway.receive(bytes(board.packer.buffer[:size]), turn * 30_000_000)
    equal("arrived", arrived, [octets(one["raw"]) for one in told["frames"]])
    equal("acknowledged", kept.first, len(arrived))


def main():
    with open(sys.argv[1] + "/vectors.json") as file:
        told = json.load(file)
    for check in (frames, head, agreement, digests, packets, session):
        check(told)
        print("holds", check.__name__ if hasattr(check, "__name__") else "")


main()
