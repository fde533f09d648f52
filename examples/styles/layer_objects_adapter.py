from backproof.adapters import Adapter


class OfLayers(Adapter):
    hidden, output, loss, depths = "tanh", "tanh", "half_squared_error", (1, 2, 3, 4, 5)
    W, b = "[{2i}].weights", "[{2i}].bias"

    def make(self, net):
        return self.module.network(net.widths)

    def run(self, model, X, Y):
        self.module.train(model, X, Y, self.net.alpha)
