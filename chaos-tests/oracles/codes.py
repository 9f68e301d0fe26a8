"""pyotp as an independent generator of codes.

codes.py vectors              the test values of RFC 4226 appendix D and RFC 6238 appendix B, as pyotp computes them (JSON)
codes.py totp SECRET SECONDS  the six digits of a base32 seed at a time
"""

import base64
import hashlib
import json
import sys

import pyotp

TIMES = [59, 1111111109, 1111111111, 1234567890, 2000000000, 20000000000]
SEEDS = {
    "SHA1": (hashlib.sha1, b"12345678901234567890"),
    "SHA256": (hashlib.sha256, b"12345678901234567890123456789012"),
    "SHA512": (hashlib.sha512, b"1234567890123456789012345678901234567890123456789012345678901234"),
}


def base32(seed):
    return base64.b32encode(seed).decode().rstrip("=")


def vectors():
    counter = pyotp.HOTP(base32(SEEDS["SHA1"][1]))
    found = {"rfc_4226": [counter.at(count) for count in range(10)]}
    for name, (digest, seed) in SEEDS.items():
        codes = pyotp.TOTP(base32(seed), digits=8, digest=digest)
        found[name] = [codes.at(time) for time in TIMES]
    return found


def main():
    if sys.argv[1] == "vectors":
        print(json.dumps(vectors()))
    elif sys.argv[1] == "totp":
        print(pyotp.TOTP(sys.argv[2]).at(int(sys.argv[3])))
    else:
        sys.exit(__doc__)


main()
