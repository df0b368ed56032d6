def write(out, claims):
    pass
