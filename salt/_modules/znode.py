"""Digest credentials as ZooKeeper's access control lists and its superDigest property hold them."""

import base64
import hashlib


def digest(user, password):
    """`user:base64(sha1(user:password))`: what the server compares with, safe from being read back."""
    # SHA-1 is the server's own choice of algorithm for the digest scheme.
    hashed = hashlib.sha1(f"{user}:{password}".encode(), usedforsecurity=False).digest()
    return f"{user}:{base64.b64encode(hashed).decode()}"
