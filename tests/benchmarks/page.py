PAGE = None


def write() -> None: ...
