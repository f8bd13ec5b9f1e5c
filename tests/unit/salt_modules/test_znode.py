"""Digests as the server computes them."""

from __future__ import annotations


def test_digest_is_the_servers_own(load):
    # `java org.apache.zookeeper.server.auth.DigestAuthenticationProvider super:secret-of-zookeeper-super`
    found = load("_modules/znode").digest("super", "secret-of-zookeeper-super")
    assert found == "super:Zlg9dMhiQ7UGwIF8gWwq5zkBjRA="
