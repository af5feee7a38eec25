"""`gridseal-record verifier`: writes the lone verifier, and says its SHA-256."""

import argparse
from pathlib import Path

from record.reconstruct import lonely


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("verify.py"), metavar="FILE")


def run(asked: argparse.Namespace) -> int:
    data = lonely.make()
    asked.out.write_bytes(data)
    print(f"{lonely.fingerprint(data)}  {asked.out}")
    return 0
