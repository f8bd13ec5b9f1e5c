"""Keys of apt repositories, trusted only when they are the ones that were meant."""

from pathlib import Path


def pinned(name, source, fingerprint, setting):
    """Put the key in `source` into the keyring `name` if it is the one meant, and no other is with it.

    `setting`: where an operator writes the fingerprint, for the message.
    """
    wanted = fingerprint.replace(" ", "").upper()
    try:
        found = __salt__["openpgp.fingerprints"](source)
    except (OSError, ValueError, IndexError) as error:
        return _result(name, False, f"{source} cannot be read: {error}")
    if not wanted:
        return _result(
            name,
            False,
            f"the setting {setting} is empty. The key that was fetched has the fingerprint {', '.join(found)}: "
            f"compare it with what the vendor publishes, then write it into settings of cluster.yaml",
        )
    if found != [wanted]:
        return _result(name, False, f"the key has the fingerprint {', '.join(found)}, and {setting} says {wanted}")
    content = __salt__["openpgp.dearmoured"](source)
    keyring = Path(name)
    if keyring.exists() and keyring.read_bytes() == content:
        return _result(name, True, f"trusts {wanted}")
    if __opts__["test"]:
        return _result(name, None, f"would trust {wanted}")
    keyring.write_bytes(content)
    keyring.chmod(0o644)
    return _result(name, True, f"trusts {wanted}", {"key": wanted})


def _result(name, result, comment, changes=None):
    return {"name": name, "result": result, "comment": comment, "changes": changes or {}}
