/* The same token games in C, table-driven: what the hardware allows.
 *
 * Built by kernel.py with `cc -O2`. `fire` is not inlined: as in the kernel, the tables are
 * data, and the loop does not know the net.
 */
#include <stdint.h>

/* A safe net of at most 64 places: a marking is a word, a transition two masks. */
static __attribute__((noinline)) int64_t fire(int64_t marking, const int64_t *take,
                                              const int64_t *put, int64_t transition)
{
    if ((marking & take[transition]) != take[transition])
        return -1;
    return (marking & ~take[transition]) | put[transition];
}

/* Fire the transitions of a ring in turn, `firings` times; the last marking, -1 if stuck. */
int64_t play_ring(int64_t marking, const int64_t *take, const int64_t *put, int64_t size,
                  int64_t firings)
{
    int64_t transition = 0;
    for (int64_t n = 0; n < firings; n++) {
        marking = fire(marking, take, put, transition);
        if (marking < 0)
            return -1;
        if (++transition == size)
            transition = 0;
    }
    return marking;
}

/* Any net: token counters, arcs in compressed rows, AND-joins, a stack of what is complete. */
struct net {
    const int64_t *input_at, *inputs;   /* of transition t: inputs[input_at[t] .. input_at[t+1]) */
    const int64_t *output_at, *outputs; /* likewise */
    const int64_t *consumer;            /* the transition that takes from a place */
    int64_t *counts, *stack;
};

static __attribute__((noinline)) int64_t pass(const struct net *net, int64_t size)
{
    int64_t transition = net->stack[--size];
    for (int64_t at = net->input_at[transition]; at < net->input_at[transition + 1]; at++)
        net->counts[net->inputs[at]]--;
    for (int64_t at = net->output_at[transition]; at < net->output_at[transition + 1]; at++) {
        int64_t place = net->outputs[at];
        net->counts[place]++;
        int64_t next = net->consumer[place], complete = 1;
        for (int64_t in = net->input_at[next]; in < net->input_at[next + 1]; in++)
            complete &= net->counts[net->inputs[in]] > 0;
        if (complete)
            net->stack[size++] = next;
    }
    return size;
}

/* Fire what is complete, `firings` times or until nothing is; the firings that are left. */
int64_t play_net(const int64_t *input_at, const int64_t *inputs, const int64_t *output_at,
                 const int64_t *outputs, const int64_t *consumer, int64_t *counts,
                 int64_t *stack, int64_t size, int64_t firings)
{
    struct net net = {input_at, inputs, output_at, outputs, consumer, counts, stack};
    while (firings > 0 && size > 0) {
        size = pass(&net, size);
        firings--;
    }
    return firings;
}
