from backproof.adapters import Adapter


class OfNeurons(Adapter):
    hidden, output, loss, depths = "sigmoid", "sigmoid", "half_squared_error", (1, 2, 3)
    batch, lists, layout = "single", True, "out, in"
    W, b = "[{i}][*].weights", "[{i}][*].bias"

    def make(self, net):
        return self.module.network(net.widths)

    def run(self, model, X, Y):
        self.module.train(model, X, Y, self.net.alpha)
