from backproof.adapters import Adapter


class OfNet(Adapter):
    hidden, output, loss, depths = "sigmoid", "sigmoid", "half_squared_error", (1, 2, 3, 4, 5)
    W, b, rate = "Ws[{i}]", "bs[{i}]", "lr"

    def make(self, net):
        return self.module.Net(net.widths)

    def run(self, model, X, Y):
        model.fit_once(X, Y)
