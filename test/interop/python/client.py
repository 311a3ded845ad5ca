"""A service in Python, with Authlib for its tokens and PyJWT for those of its callers, against a running issuer.

argv: the issuer's URL, the client's id, its secret, its private key as PEM, the audience. Prints one line of JSON.
"""
import json
import sys

import jwt
import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT

issuer, client_id, secret, key_path, audience = sys.argv[1:6]
metadata = requests.get(f"{issuer}/.well-known/oauth-authorization-server", timeout=5).json()
assert metadata["issuer"] == issuer
endpoint = metadata["token_endpoint"]


def verified(token):
    keys = jwt.PyJWKClient(metadata["jwks_uri"], cache_keys=True, lifespan=300)
    key = keys.get_signing_key_from_jwt(token).key
    return jwt.decode(
        token,
        key,
        algorithms=["ES256"],
        issuer=issuer,
        audience=audience,
        options={"require": ["exp", "iat", "iss", "aud", "sub", "jti"]},
    )


report = {}
for method in ["client_secret_basic", "client_secret_post"]:
    session = OAuth2Session(client_id, secret, token_endpoint_auth_method=method)
    token = session.fetch_token(endpoint, grant_type="client_credentials", audience=audience)
    report[method] = verified(token["access_token"])["sub"]

# Authlib writes the token endpoint's URL as the assertion's audience, which takes `legacyAudience`.
with open(key_path, encoding="ascii") as file:
    private_key = file.read()
session = OAuth2Session("keyed", private_key, token_endpoint_auth_method="private_key_jwt")
session.register_client_auth_method(PrivateKeyJWT(endpoint))
token = session.fetch_token(endpoint, grant_type="client_credentials", audience=audience)
report["private_key_jwt"] = verified(token["access_token"])["sub"]

try:
    verified(token["access_token"][:-8] + "AAAAAAAA")
    report["forged"] = "taken"
except jwt.InvalidSignatureError:
    report["forged"] = "refused"
print(json.dumps(report))
