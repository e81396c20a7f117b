"""Names of images."""


def split_image(image: str) -> tuple[str, str]:
    """Split `registry:5000/name:tag@digest` into name and tag; the tag is empty where there is none."""
    name, _, _digest = image.partition("@")
    head, colon, tag = name.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (name, "")
