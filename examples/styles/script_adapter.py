from backproof.adapters import Adapter


class OfScript(Adapter):
    hidden, output, loss, bias = "sigmoid", "sigmoid", "half_squared_error", "none"
    script, loop, data = True, "for _ in range(60000):", ("X", "y")
    W, alpha = ("syn0", "syn1"), 1.0
