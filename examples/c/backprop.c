/* Backpropagation by hand in C99, on trial before backproof:
 *
 *     cc -O2 -o backprop backprop.c -lm
 *     backproof verify --impl cmd:./backprop
 *
 * One question per line comes in on stdin, one answer per line goes out on stdout
 * (docs/protocol.md). Three parts: the network, a small reader of JSON, the talking.
 *
 * n instances, one per row. For layer l: O_l = g(Z_l), Z_l = O_{l-1} W_l + b_l, and O_0 = X.
 */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LAYERS = 8 };

/* --- memory: all that one question needs, given back at once when it is answered -------------- */

typedef struct Block {
    struct Block *next;
} Block;

static Block *blocks;
static jmp_buf unanswerable; /* where `fail` goes on: the question gets `errored` */
static char complaint[200];

static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(complaint, sizeof complaint, format, arguments);
    va_end(arguments);
    for (char *c = complaint; *c; c++)
        if (*c == '"' || *c == '\\' || (unsigned char)*c < ' ') *c = '?'; /* JSON would escape it */
    longjmp(unanswerable, 1);
}

static void *get(size_t bytes) {
    Block *block = malloc(sizeof(Block) + bytes);
    if (!block) fail("out of memory");
    block->next = blocks;
    blocks = block;
    return block + 1;
}

static void give_all_back(void) {
    while (blocks) {
        Block *next = blocks->next;
        free(blocks);
        blocks = next;
    }
}

/* --- matrices -------------------------------------------------------------------------------- */

typedef struct {
    int rows, columns;
    double *a; /* row by row */
} Matrix;

#define AT(M, i, j) ((M).a[(size_t)(i) * (size_t)(M).columns + (size_t)(j)])

static Matrix matrix(int rows, int columns) {
    Matrix M = {rows, columns, get(sizeof(double) * (size_t)rows * (size_t)columns)};
    return M;
}

static Matrix product(Matrix A, Matrix B) { /* A B */
    Matrix C = matrix(A.rows, B.columns);
    for (int i = 0; i < C.rows; i++)
        for (int j = 0; j < C.columns; j++) {
            double sum = 0;
            for (int m = 0; m < A.columns; m++) sum += AT(A, i, m) * AT(B, m, j);
            AT(C, i, j) = sum;
        }
    return C;
}

static Matrix transposed(Matrix A) {
    Matrix T = matrix(A.columns, A.rows);
    for (int i = 0; i < A.rows; i++)
        for (int j = 0; j < A.columns; j++) AT(T, j, i) = AT(A, i, j);
    return T;
}

static Matrix sum_of_rows(Matrix A) { /* (n, k) -> (1, k) */
    Matrix sum = matrix(1, A.columns);
    for (int j = 0; j < A.columns; j++) {
        AT(sum, 0, j) = 0;
        for (int i = 0; i < A.rows; i++) AT(sum, 0, j) += AT(A, i, j);
    }
    return sum;
}

/* --- activations: O = g(Z), and g'(Z) written with O = g(Z) ----------------------------------- */

static double identity(double z) { return z; }
static double identity_prime(double o) { (void)o; return 1; }
static double sigmoid(double z) { return z >= 0 ? 1 / (1 + exp(-z)) : exp(z) / (1 + exp(z)); }
static double sigmoid_prime(double o) { return o * (1 - o); }
static double tanh_prime(double o) { return 1 - o * o; }
static double relu(double z) { return z > 0 ? z : 0; }
static double relu_prime(double o) { return o > 0 ? 1 : 0; }

typedef struct {
    const char *name;
    double (*g)(double z);
    double (*g_prime)(double o);
} Activation;

static const Activation activations[] = {
    {"identity", identity, identity_prime},
    {"sigmoid", sigmoid, sigmoid_prime},
    {"tanh", tanh, tanh_prime},
    {"relu", relu, relu_prime},
    {"softmax", NULL, NULL}, /* of a whole row at a time */
};

static const Activation *activation_named(const char *name) {
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        if (!strcmp(activations[i].name, name)) return &activations[i];
    fail("no activation is called %.40s", name);
    return NULL;
}

static void softmax_row(double *z, int k) {
    double most = z[0], sum = 0;
    for (int j = 1; j < k; j++) most = fmax(most, z[j]);
    for (int j = 0; j < k; j++) sum += z[j] = exp(z[j] - most); /* exp(0) at most: no overflow */
    for (int j = 0; j < k; j++) z[j] /= sum;
}

/* --- the network ----------------------------------------------------------------------------- */

typedef struct {
    int layers, mean; /* mean: over the rows, instead of their sum */
    Matrix W[MOST_LAYERS], b[MOST_LAYERS]; /* b: (1, k), without numbers where there is none */
    const Activation *g[MOST_LAYERS];
    const char *loss;
    Matrix X, Y;
} Question;

typedef struct {
    Matrix dW[MOST_LAYERS], db[MOST_LAYERS];
} Gradients;

/* O_l from O_{l-1}. */
static Matrix forward(Matrix O_prev, Matrix W, Matrix b, const Activation *activation) {
    Matrix O = product(O_prev, W);
    for (int i = 0; i < O.rows; i++) {
        for (int j = 0; j < O.columns; j++) {
            if (b.a) AT(O, i, j) += AT(b, 0, j);
            if (activation->g) AT(O, i, j) = activation->g(AT(O, i, j));
        }
        if (!activation->g) softmax_row(&AT(O, i, 0), O.columns);
    }
    return O;
}

/* dLoss/dZ of the last layer. A cross-entropy cancels the g' of its own activation. */
static Matrix output_delta(const Question *q, Matrix O) {
    const Activation *activation = q->g[q->layers - 1];
    Matrix delta = matrix(O.rows, O.columns);
    for (int i = 0; i < O.rows; i++)
        for (int j = 0; j < O.columns; j++) {
            double error = AT(O, i, j) - AT(q->Y, i, j);
            if (!strcmp(q->loss, "cross_entropy"))
                AT(delta, i, j) = error;
            else if (!strcmp(q->loss, "binary_cross_entropy"))
                AT(delta, i, j) = error / O.columns; /* a row's loss is the mean of its outputs */
            else if (!strcmp(q->loss, "half_squared_error") && activation->g_prime)
                AT(delta, i, j) = error * activation->g_prime(AT(O, i, j));
            else
                fail("no %.40s with %s at the output", q->loss, activation->name);
            if (q->mean) AT(delta, i, j) /= O.rows;
        }
    return delta;
}

static Gradients backprop(const Question *q) {
    Matrix O[MOST_LAYERS + 1] = {q->X};
    for (int l = 0; l < q->layers; l++) O[l + 1] = forward(O[l], q->W[l], q->b[l], q->g[l]);

    Gradients found;
    Matrix delta = output_delta(q, O[q->layers]);
    for (int l = q->layers - 1; l >= 0; l--) {
        found.dW[l] = product(transposed(O[l]), delta); /* (k, n) (n, j): the n rows are summed */
        found.db[l] = sum_of_rows(delta);               /* b was added to every row */
        if (l == 0) break;
        if (!q->g[l - 1]->g_prime) fail("softmax belongs to the output");
        delta = product(delta, transposed(q->W[l]));
        for (int i = 0; i < delta.rows; i++)
            for (int j = 0; j < delta.columns; j++)
                AT(delta, i, j) *= q->g[l - 1]->g_prime(AT(O[l], i, j));
    }
    return found;
}

/* --- a small reader of JSON ------------------------------------------------------------------ */

typedef struct Value {
    enum { NOTHING, NUMBER, STRING, LIST, OBJECT } kind; /* NOTHING: null, true, false */
    double number;
    const char *string;
    const char *key;           /* of an entry of an object */
    struct Value *first, *next; /* entries of a list or an object */
    int length;
} Value;

static const char *at; /* the next character to read */

static void skip_spaces(void) { at += strspn(at, " \t\r\n"); }

static int took(char wanted) {
    skip_spaces();
    if (*at != wanted) return 0;
    at++;
    return 1;
}

/* Names in this protocol are plain ASCII: an escape sequence stays as it is written. */
static const char *read_string(void) {
    const char *start = at;
    while (*at && *at != '"') at += at[0] == '\\' && at[1] ? 2 : 1;
    size_t length = (size_t)(at - start);
    char *copy = memcpy(get(length + 1), start, length);
    copy[length] = '\0';
    if (!took('"')) fail("a string has no end");
    return copy;
}

static Value *read_value(int depth);

static void read_entries(Value *list, char end, int depth) {
    Value **place = &list->first;
    if (took(end)) return;
    do {
        const char *key = NULL;
        if (list->kind == OBJECT) {
            if (!took('"')) fail("a key is missing");
            key = read_string();
            if (!took(':')) fail("a colon is missing");
        }
        *place = read_value(depth + 1);
        (*place)->key = key;
        place = &(*place)->next;
        list->length++;
    } while (took(','));
    if (!took(end)) fail("a comma or %c is missing", end);
}

static Value *read_value(int depth) {
    static const Value empty;
    Value *value = get(sizeof *value);
    *value = empty;
    if (depth > 20) fail("lists are too deep");
    if (took('{')) {
        value->kind = OBJECT;
        read_entries(value, '}', depth);
    } else if (took('[')) {
        value->kind = LIST;
        read_entries(value, ']', depth);
    } else if (took('"')) {
        value->kind = STRING;
        value->string = read_string();
    } else if (strspn(at, "-0123456789")) {
        char *end;
        value->kind = NUMBER;
        value->number = strtod(at, &end);
        at = end;
    } else {
        size_t letters = strspn(at, "aeflnrstu");
        if (!letters) fail("this is no JSON");
        at += letters;
    }
    return value;
}

static const Value *field(const Value *object, const char *key) {
    for (const Value *entry = object->first; entry; entry = entry->next)
        if (entry->key && !strcmp(entry->key, key)) return entry;
    fail("`%s` is missing", key);
    return NULL;
}

static const char *text(const Value *value) {
    if (value->kind != STRING) fail("a string is missing");
    return value->string;
}

static void read_row(const Value *list, double *row, int columns) {
    if (list->kind != LIST || list->length != columns) fail("a row has another length");
    for (const Value *entry = list->first; entry; entry = entry->next) {
        if (entry->kind != NUMBER) fail("a number is missing");
        *row++ = entry->number;
    }
}

static Matrix read_matrix(const Value *list) {
    if (list->kind != LIST || !list->length || !list->first->length) fail("a matrix is missing");
    Matrix M = matrix(list->length, list->first->length);
    int i = 0;
    for (const Value *row = list->first; row; row = row->next)
        read_row(row, &AT(M, i++, 0), M.columns);
    return M;
}

/* --- talking to the harness ------------------------------------------------------------------ */

static const char *hello =
    "{\"kind\":\"hello\",\"protocol\":1,\"name\":\"backprop.c\",\"version\":\"1\","
    "\"language\":\"C99\",\"gives\":\"gradient\",\"layout\":\"rows\",\"claims\":{"
    "\"depths\":[1,2,3,4,5,6,7,8],\"hidden\":[\"identity\",\"sigmoid\",\"tanh\",\"relu\"],"
    "\"losses\":{\"half_squared_error\":[\"identity\",\"sigmoid\",\"tanh\",\"relu\"],"
    "\"binary_cross_entropy\":[\"sigmoid\"],\"cross_entropy\":[\"softmax\"]},"
    "\"reductions\":[\"sum\",\"mean\"],\"biases\":[\"separate\",\"none\"],"
    "\"dtypes\":[\"float64\"],\"max_rows\":128}}";

/* Every product below must be one: (n, k_0) (k_0, k_1) (k_1, k_2) ... gives the shape of Y. */
static void check_shapes(const Question *q) {
    int columns = q->X.columns;
    for (int l = 0; l < q->layers; l++) {
        if (q->W[l].rows != columns) fail("weights[%d] has no %d rows", l, columns);
        columns = q->W[l].columns;
    }
    if (q->Y.rows != q->X.rows || q->Y.columns != columns) fail("Y has another shape than O_L");
}

static Question read_question(const Value *message) {
    static const Question empty;
    Question q = empty;
    const Value *W = field(message, "weights")->first, *b = field(message, "biases")->first;
    const Value *g = field(message, "activations")->first;
    for (; W && b && g && q.layers < MOST_LAYERS; W = W->next, b = b->next, g = g->next) {
        int l = q.layers++;
        q.W[l] = read_matrix(W);
        q.g[l] = activation_named(text(g));
        if (b->kind == NOTHING) continue;
        q.b[l] = matrix(1, q.W[l].columns);
        read_row(b, q.b[l].a, q.b[l].columns);
    }
    if (W || b || g || !q.layers) fail("I take 1 to %d layers", MOST_LAYERS);
    q.X = read_matrix(field(message, "X"));
    q.Y = read_matrix(field(message, "Y"));
    check_shapes(&q);
    q.loss = text(field(message, "loss"));
    q.mean = !strcmp(text(field(message, "reduction")), "mean");
    return q;
}

static void say_number(double x) { /* 17 digits bring every double back */
    if (isnan(x))
        printf("\"NaN\"");
    else if (isinf(x))
        printf(x > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    else
        printf("%.17g", x);
}

static void say_row(Matrix M, int i) {
    for (int j = 0; j < M.columns; j++) {
        putchar(j ? ',' : '[');
        say_number(AT(M, i, j));
    }
    putchar(']');
}

static void say_result(double id, const Question *q, const Gradients *found) {
    printf("{\"kind\":\"result\",\"id\":%.0f,\"dW\":", id);
    for (int l = 0; l < q->layers; l++) {
        putchar(l ? ',' : '[');
        for (int i = 0; i < found->dW[l].rows; i++) {
            putchar(i ? ',' : '[');
            say_row(found->dW[l], i);
        }
        putchar(']');
    }
    printf("],\"db\":");
    for (int l = 0; l < q->layers; l++) {
        putchar(l ? ',' : '[');
        if (q->b[l].a)
            say_row(found->db[l], 0);
        else
            printf("null");
    }
    printf("]}\n");
}

/* Answers one line; returns 0 after `stop`. */
static int answer(const char *line) {
    static double id; /* static: setjmp keeps no local variables */
    id = 0;
    if (setjmp(unanswerable)) {
        printf("{\"kind\":\"errored\",\"id\":%.0f,\"message\":\"%s\"}\n", id, complaint);
        return 1;
    }
    at = line;
    const Value *message = read_value(0);
    const char *kind = text(field(message, "kind"));
    if (!strcmp(kind, "stop")) return 0;
    if (!strcmp(kind, "start")) puts(hello);
    if (!strcmp(kind, "gradients")) {
        id = field(message, "id")->number;
        Question q = read_question(message);
        Gradients found = backprop(&q);
        say_result(id, &q, &found);
    }
    return 1;
}

/* The next line of stdin without its end, or NULL; its memory is used again for the next one. */
static char *next_line(void) {
    static char *line;
    static size_t room;
    size_t length = 0;
    int letter;
    while ((letter = getchar()) != EOF && letter != '\n') {
        if (length + 2 > room) {
            room = 2 * room + 4096;
            char *larger = realloc(line, room);
            if (!larger) exit(1);
            line = larger;
        }
        line[length++] = (char)letter;
    }
    if (letter == EOF && !length) return NULL;
    if (!line) return ""; /* an empty first line */
    line[length] = '\0';
    return line;
}

int main(void) {
    char *line;
    int more = 1;
    while (more && (line = next_line())) {
        more = answer(line);
        give_all_back();
        fflush(stdout); /* the harness waits for the line */
    }
    return 0;
}
