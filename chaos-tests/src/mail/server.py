"""A real mail server (aiosmtpd) that a test steers and watches.

Arguments: PORT [CERTIFICATE KEY]. With a certificate STARTTLS is required, and so is logging in as tfauth / mail-password.
Lines on its input change what it does: `mode take`, `mode slow SECONDS` (before each answer to DATA), `mode answer CODE`
(to every recipient), `mode poison ADDRESS` (550 for that one). Prints READY, `MODE` after each change, and one line of JSON
for each mail that it took or refused.
"""
import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

mode = ["take"]


def tell(value):
    print(json.dumps(value), flush=True)


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        refused = None
        if mode[0] == "answer":
            refused = int(mode[1])
        if mode[0] == "poison" and address == mode[1]:
            refused = 550
        if refused:
            tell({"refused": refused, "to": address})
            return "%d not now, or never: <%s>" % (refused, address)
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(self, server, session, envelope):
        if mode[0] == "slow":
            await asyncio.sleep(float(mode[1]))
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        tell({
            "to": ",".join(envelope.rcpt_tos),
            "id": message["Message-ID"],
            "subject": message["Subject"],
            "text": message.get_content(),
            "encrypted": session.ssl is not None,
            "login": bool(session.authenticated),
        })
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    good = (data.login, data.password) == (b"tfauth", b"mail-password")
    return AuthResult(success=good, handled=True)


options = {}
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*sys.argv[2:4])
    options = {
        "tls_context": context,
        "require_starttls": True,
        "authenticator": authenticate,
        "auth_required": True,
    }
controller = Controller(Handler(), hostname="127.0.0.1", port=int(sys.argv[1]), **options)
controller.start()
print("READY", flush=True)
for line in sys.stdin:
    words = line.split()
    if words[:1] == ["mode"]:
        mode = words[1:]
        print("MODE", flush=True)
controller.stop()
