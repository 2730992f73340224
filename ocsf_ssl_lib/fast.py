from contextlib import nullcontext


def fast_step(model, precision):
    return nullcontext()
