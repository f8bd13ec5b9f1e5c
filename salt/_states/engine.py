"""Images in this node's Docker engine."""


def loaded(name, archive):
    """Load the file `archive` (made by `docker save`) unless the engine holds the image `name` already."""
    ret = {"name": name, "result": True, "comment": "the engine holds it", "changes": {}}
    try:
        if __salt__["engine.has_image"](name):
            return ret
    except OSError as error:
        if not __opts__["test"]:
            return {**ret, "result": False, "comment": f"the Docker engine does not answer: {error}"}
    if __opts__["test"]:
        return {**ret, "result": None, "comment": f"{archive} would be loaded"}
    load = __salt__["cmd.run_all"](["docker", "load", "--input", archive], python_shell=False)
    if load["retcode"] or not __salt__["engine.has_image"](name):
        said = load["stderr"] or load["stdout"]
        return {**ret, "result": False, "comment": f"loading {archive} did not give the image {name}: {said}"}
    return {**ret, "comment": f"loaded from {archive}", "changes": {"image": name}}
