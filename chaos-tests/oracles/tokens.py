"""PyJWT as an independent judge and forger of tokens.

tokens.py verify JWKS ISSUER AUDIENCE TYP TOKEN   the claims, when PyJWT believes the token by the keys in the file (JSON)
tokens.py forge JWKS TOKEN                        forgeries of a token that a node signed (JSON: name to token)
"""

import base64
import hashlib
import hmac
import json
import sys
import time

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa


def encode(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decode(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def compact(value):
    return encode(json.dumps(value, separators=(",", ":")).encode())


def verify(jwks, issuer, audience, typ, token):
    with open(jwks) as file:
        keys = jwt.PyJWKSet.from_dict(json.load(file))
    header = jwt.get_unverified_header(token)
    assert header["alg"] == "RS256" and header["typ"] == typ, header
    assert not set(header) & {"jku", "jwk", "x5u", "x5c", "crit"}, header
    required = ["exp", "nbf", "iat", "iss", "aud", "sub", "jti", "sid"]
    return jwt.decode(
        token,
        keys[header["kid"]],
        algorithms=["RS256"],
        issuer=issuer,
        audience=audience,
        options={"require": required},
    )


def rs256(key, header, claims):
    signed = f"{compact(header)}.{compact(claims)}"
    signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{encode(signature)}"


def hs256(secret, header, claims):
    signed = f"{compact(header)}.{compact(claims)}"
    return f"{signed}.{encode(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def public_forms(jwk):
    """The public key in every form that a careless verifier could take for a shared secret."""
    key = jwt.PyJWK.from_dict(jwk).key
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    pem, der = serialization.Encoding.PEM, serialization.Encoding.DER
    pkcs1 = serialization.PublicFormat.PKCS1
    return {
        "pem": key.public_bytes(pem, spki),
        "pem_trimmed": key.public_bytes(pem, spki).strip(),
        "der": key.public_bytes(der, spki),
        "pkcs1_pem": key.public_bytes(pem, pkcs1),
        "pkcs1_der": key.public_bytes(der, pkcs1),
        "n": decode(jwk["n"]),
        "n_text": jwk["n"].encode(),
        "empty": b"",
    }


def forge(jwks, token):
    with open(jwks) as file:
        jwk = json.load(file)["keys"][0]
    head, body, signature = token.split(".")
    header, claims = json.loads(decode(head)), json.loads(decode(body))
    own = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    own_jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(own.public_key()))
    url = "https://evil.example/keys.json"
    now = int(time.time())

    def headed(**changes):
        return {**header, **changes}

    def claiming(**changes):
        return {**claims, **changes}

    made = {f"hs256 with the public key as {form}": hs256(secret, headed(alg="HS256"), claims)
            for form, secret in public_forms(jwk).items()}
    for none in ["none", "None", "NONE", "nOnE", ""]:
        made[f"alg {none!r} and no signature"] = f"{compact(headed(alg=none))}.{body}."
        made[f"alg {none!r} and the signature"] = f"{compact(headed(alg=none))}.{body}.{signature}"
    for alg in ["rs256", "Rs256", "RS384", "RS512", "PS256", "ES256", "EdDSA", "HS256", 256, None, ["RS256"]]:
        made[f"alg {alg!r} over a foreign signature"] = rs256(own, headed(alg=alg), claims)
        made[f"alg {alg!r} and the true signature"] = f"{compact(headed(alg=alg))}.{body}.{signature}"
    made["a foreign key under the true kid"] = rs256(own, header, claims)
    made["a foreign key under its own kid"] = rs256(own, headed(kid="mine"), claims)
    made["a foreign key and no kid"] = rs256(own, {k: v for k, v in header.items() if k != "kid"}, claims)
    for name, extra in {
        "jwk": own_jwk,
        "jku": url,
        "x5u": url,
        "x5c": ["MIIB"],
        "crit": ["exp"],
        "b64": False,
        "zip": "DEF",
    }.items():
        made[f"{name} in the header, foreign key"] = rs256(own, headed(**{name: extra}), claims)
        made[f"{name} in the header, true signature"] = f"{compact(headed(**{name: extra}))}.{body}.{signature}"
    for name, changed in {
        "wrong typ": (headed(typ="JWT"), claims),
        "typ of a refresh token": (headed(typ="rt+jwt"), claims),
        "wrong aud": (header, claiming(aud="somebody else")),
        "wrong iss": (header, claiming(iss="https://evil.example")),
        "expired": (header, claiming(exp=now - 120)),
        "not valid yet": (header, claiming(nbf=now + 3600)),
        "issued in future": (header, claiming(iat=now + 3600)),
        "another account": (header, claiming(sub="00000000000000000000000000000000")),
        "a stronger acr": (header, claiming(acr="aal3")),
        "no claims": (header, {}),
    }.items():
        made[f"{name}, foreign key"] = rs256(own, *changed)
        made[f"{name}, true signature"] = f"{compact(changed[0])}.{compact(changed[1])}.{signature}"
    made["the signature of another length"] = f"{head}.{body}.{signature[:-4]}"
    made["no signature"] = f"{head}.{body}."
    made["two parts"] = f"{head}.{body}"
    made["four parts"] = f"{token}.{signature}"
    made["five parts"] = f"{head}..{body}.{signature}.{signature}"
    made["JSON serialisation"] = json.dumps({"payload": body, "protected": head, "signature": signature})
    return {name: forged for name, forged in made.items() if forged != token}


def main():
    verb, arguments = sys.argv[1], sys.argv[2:]
    if verb == "verify":
        print(json.dumps(verify(*arguments)))
    elif verb == "forge":
        print(json.dumps(forge(*arguments)))
    else:
        sys.exit(__doc__)


main()
