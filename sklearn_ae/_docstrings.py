"""Documentation that all autoencoders share, written once."""


def document(cls):
    return cls
