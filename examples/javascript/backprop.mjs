// Backpropagation by hand in JavaScript, on trial before backproof:
//
//     backproof verify --impl 'cmd:node examples/javascript/backprop.mjs'
//
// Node 18 or newer, no packages. One question per line comes in on stdin, one answer per line goes
// out on stdout (docs/protocol.md); the network is in the first half of this file, the talking in
// the second.
//
// n instances, one per row. For layer l: O_l = g(Z_l), Z_l = O_{l-1} W_l + b_l, and O_0 = X.
// A matrix is a list of rows.

import { createInterface } from "node:readline";

// --- matrices ------------------------------------------------------------------------------------

const map = (A, f) => A.map((row, i) => row.map((a, j) => f(a, i, j)));
const transpose = (A) => A[0].map((_, j) => A.map((row) => row[j]));
const dot = (u, v) => u.reduce((sum, u_i, i) => sum + u_i * v[i], 0);
const sum = (v) => v.reduce((total, v_i) => total + v_i, 0);

const matmul = (A, B) => {
  const columns = transpose(B);
  return A.map((row) => columns.map((column) => dot(row, column)));
};

// --- activations: O = g(Z), and g'(Z) written with O = g(Z) -------------------------------------

const sigmoid = (z) => (z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z)));

const softmax = (row) => {
  const most = Math.max(...row); // the largest becomes exp(0): nothing overflows
  const exps = row.map((z) => Math.exp(z - most));
  const total = sum(exps);
  return exps.map((e) => e / total);
};

const elementwise = {
  identity: { g: (z) => z, gPrime: (o) => 1 },
  sigmoid: { g: sigmoid, gPrime: (o) => o * (1 - o) },
  tanh: { g: Math.tanh, gPrime: (o) => 1 - o * o },
  relu: { g: (z) => Math.max(z, 0), gPrime: (o) => (o > 0 ? 1 : 0) },
};

const activate = (name, Z) =>
  name === "softmax" ? Z.map(softmax) : map(Z, elementwise[name].g);

// --- losses: dLoss/dZ of the last layer ----------------------------------------------------------

const outputDelta = (loss, activation, O, Y) => {
  const error = map(O, (o, i, j) => o - Y[i][j]);
  switch (loss) {
    case "half_squared_error":
      return map(error, (e, i, j) => e * elementwise[activation].gPrime(O[i][j]));
    case "cross_entropy": // softmax' cancels, as the labels of a row sum to 1
      return error;
    case "binary_cross_entropy": // so does sigmoid'; a row's loss is the mean of its outputs
      return map(error, (e, i) => e / Y[i].length);
    default:
      throw new Error(`no loss is called ${loss}`);
  }
};

// --- the pass forward, and the pass back ---------------------------------------------------------

const backprop = ({ weights, biases, X, Y, activations, loss, reduction }) => {
  const outputs = [X];
  weights.forEach((W, l) => {
    const Z = matmul(outputs[l], W);
    const b = biases[l];
    outputs.push(activate(activations[l], b === null ? Z : map(Z, (z, i, j) => z + b[j])));
  });

  const last = weights.length - 1;
  let delta = outputDelta(loss, activations[last], outputs[last + 1], Y);
  if (reduction === "mean") delta = map(delta, (d) => d / X.length);

  const dW = [];
  const db = [];
  for (let l = last; l >= 0; l--) {
    dW[l] = matmul(transpose(outputs[l]), delta); // (k, n) (n, j): the n instances are summed away
    db[l] = biases[l] === null ? null : transpose(delta).map(sum); // b was added to every row
    if (l > 0) {
      const { gPrime } = elementwise[activations[l - 1]];
      const below = matmul(delta, transpose(weights[l]));
      delta = map(below, (d, i, j) => d * gPrime(outputs[l][i][j]));
    }
  }
  return { dW, db };
};

// --- talking to the harness ----------------------------------------------------------------------

const hello = {
  kind: "hello",
  protocol: 1,
  name: "backprop.mjs",
  version: "1",
  language: `JavaScript, Node ${process.versions.node}`,
  gives: "gradient",
  layout: "rows",
  claims: {
    depths: [1, 2, 3, 4, 5, 6, 7, 8],
    hidden: Object.keys(elementwise),
    losses: {
      half_squared_error: Object.keys(elementwise),
      binary_cross_entropy: ["sigmoid"],
      cross_entropy: ["softmax"],
    },
    reductions: ["sum", "mean"],
    biases: ["separate", "none"],
    dtypes: ["float64"],
    max_rows: 128,
  },
};

// JSON has no NaN and no infinity: they go as strings.
const finite = (key, value) =>
  typeof value === "number" && !Number.isFinite(value) ? String(value) : value;

const say = (message) => process.stdout.write(JSON.stringify(message, finite) + "\n");

const answer = (question) => {
  try {
    return { kind: "result", id: question.id, ...backprop(question) };
  } catch (error) {
    return { kind: "errored", id: question.id, message: String(error), traceback: error.stack };
  }
};

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  if (message.kind === "start") say(hello);
  if (message.kind === "gradients") say(answer(message));
  if (message.kind === "stop") break;
}
