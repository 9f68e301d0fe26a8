"""A real mail server (aiosmtpd) for tests: prints READY, then one line of JSON for each mail that it took.

Arguments: PORT MODE [CERTIFICATE KEY]. Modes: take, later (451 for recipients), never (550 for recipients), slow (5 s
before each answer to DATA), moody (takes all recipients but those that begin with hang: no answer, busy: 421, drop: the
connection ends), implicit (TLS from the first byte). With a certificate STARTTLS is required, or TLS from the first byte, and so is
logging in as tfauth / mail-password.
"""
import asyncio
import json
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

PORT, MODE = int(sys.argv[1]), sys.argv[2]
CERTIFICATE = sys.argv[3:5]


def tell(value):
    print(json.dumps(value), flush=True)


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if MODE == "later":
            tell({"refused": 451})
            return "451 greylisted, come back"
        if MODE == "never":
            return "550 no such user <%s>" % address
        if MODE == "moody" and address.startswith("hang"):
            await asyncio.sleep(3600)
        if MODE == "moody" and address.startswith("busy"):
            return "421 too much to do"
        if MODE == "moody" and address.startswith("drop"):
            server.transport.abort()
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(self, server, session, envelope):
        if MODE == "slow":
            await asyncio.sleep(5)
        tell({
            "to": envelope.rcpt_tos,
            "mail": envelope.content.decode(),
            "encrypted": server.transport.get_extra_info("ssl_object") is not None,
            "login": bool(session.authenticated),
        })
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    good = (data.login, data.password) == (b"tfauth", b"mail-password")
    return AuthResult(success=good, handled=True)


options = {}
if CERTIFICATE:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*CERTIFICATE)
    options = {"authenticator": authenticate, "auth_required": True}
    if MODE == "implicit":
        # To aiosmtpd TLS is what STARTTLS began; here nothing is said before it.
        options |= {"ssl_context": context, "auth_require_tls": False}
    else:
        options |= {"tls_context": context, "require_starttls": True}
controller = Controller(Handler(), hostname="127.0.0.1", port=PORT, **options)
controller.start()
print("READY", flush=True)
sys.stdin.read()
controller.stop()
