from backproof.adapters import Adapter


class OfNet(Adapter):
    hidden, output, loss = "tanh", "identity", "mean_squared_error"
    W, b, gives = "params['W{l}']", "params['b{l}']", "gradient"

    def make(self, net):
        return self.module.Net(*net.widths)

    def run(self, model, X, Y):
        return model.gradients(X, Y)
