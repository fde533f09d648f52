from backproof.adapters import Adapter


class OfNet(Adapter):
    hidden, output, loss = "sigmoid", "sigmoid", "half_squared_error"
    W, b, rate = "W{l}", "b{l}", "lr"

    def make(self, net):
        return self.module.Net(*net.widths)

    def run(self, model, X, Y):
        model.train(X, Y)
