/* Random sessions, points, collections, damage and restarts against a model that knows which chunks
 * must be readable.  Covers src/data/store as a whole. */
#include "store_fixture.h"

#define NUMBERS 300u
#define SESSIONS 3u
#define POINTS 12u
#define STEPS 900u

struct set {
    bool has[NUMBERS];
};

struct session {
    struct store_writer *writer;
    struct set used; /* put, or told to be there */
};

struct point {
    bool live;
    struct set names;
};

struct model {
    struct fixture *fixture;
    struct seed seed;
    struct session sessions[SESSIONS];
    struct point points[POINTS];
    struct store_mark *mark;
    bool condemned;
    uint64_t commits, swept, busy, reopened, trashed;
};

static struct session *session_any(struct model *model, bool open) {
    size_t first = seed_below(&model->seed, SESSIONS);
    for (size_t i = 0; i < SESSIONS; i++) {
        struct session *session = &model->sessions[(first + i) % SESSIONS];
        if ((session->writer != NULL) == open)
            return session;
    }
    return NULL;
}

static void session_open(struct model *model) {
    struct session *session = session_any(model, false);
    if (session == NULL)
        return;
    *session = (struct session){.writer = writer_open(model->fixture, 1)};
}

static void session_put(struct model *model) {
    struct session *session = session_any(model, true);
    uint64_t numbers[8], stored;
    size_t n = 1 + seed_below(&model->seed, ARRAY_N(numbers));
    if (session == NULL)
        return;
    for (size_t i = 0; i < n; i++) {
        numbers[i] = seed_below(&model->seed, NUMBERS);
        session->used.has[numbers[i]] = true;
    }
    OK(put_numbers(session->writer, numbers, n, &stored, &err));
}

static void session_ask(struct model *model) {
    struct session *session = session_any(model, true);
    if (session == NULL)
        return;
    for (unsigned i = 0; i < 20; i++) {
        uint64_t number = seed_below(&model->seed, NUMBERS);
        struct digest name = name_of(number);
        bool has;
        OK(store_writer_has(session->writer, &name, &has, &err));
        if (has)
            session->used.has[number] = true;
    }
}

static void must_have(struct model *model, const struct set *set) {
    struct store_reader *reader = store_reader_new(model->fixture->store);
    for (uint64_t i = 0; i < NUMBERS; i++)
        if (set->has[i]) {
            int code = read_number(reader, i);
            if (code != 0)
                fail_msg("chunk %llu is gone: %s", (unsigned long long)i,
                         err_info((enum err_code)code)->symbol);
            assert_true(has_number(model->fixture, i));
        }
    store_reader_free(reader);
}

static void session_commit(struct model *model) {
    struct session *session = session_any(model, true);
    if (session == NULL)
        return;
    OK(store_writer_sync(session->writer, &err));
    must_have(model, &session->used); /* the closure check */
    for (size_t i = 0; i < POINTS; i++)
        if (!model->points[i].live) {
            model->points[i] = (struct point){.live = true, .names = session->used};
            model->commits++;
            break;
        }
    store_writer_close(TAKE(session->writer));
}

static void session_abort(struct model *model) {
    struct session *session = session_any(model, true);
    if (session != NULL)
        store_writer_close(TAKE(session->writer));
}

static void point_delete(struct model *model) {
    model->points[seed_below(&model->seed, POINTS)].live = false;
}

/* Begins a mark, or, some steps later, completes it and goes on to the next phase. */
static void collect_step(struct model *model) {
    struct store *store = model->fixture->store;
    struct store_collect_result result = {0};
    struct err why = {0};
    if (model->mark == NULL) {
        OK(store_mark_begin(store, &model->mark, &err));
        return;
    }
    for (size_t p = 0; p < POINTS; p++)
        for (uint64_t i = 0; i < NUMBERS && model->points[p].live; i++)
            if (model->points[p].names.has[i]) {
                struct digest name = name_of(i);
                OK(store_mark_live(model->mark, &name, &err));
            }
    int rc = model->condemned ? store_sweep(store, model->mark, 10, &result, &why)
                              : store_condemn(store, model->mark, &result, &why);
    store_mark_free(TAKE(model->mark));
    if (rc != 0) {
        if (why.code != ERR_BUSY)
            fail_msg("collection: %s", why.text);
        model->busy++;
        return;
    }
    model->swept += model->condemned;
    model->trashed += result.trashed_packs;
    model->condemned = !model->condemned;
}

static void reopen(struct model *model) {
    for (size_t i = 0; i < SESSIONS; i++)
        if (model->sessions[i].writer != NULL)
            return;
    store_mark_free(TAKE(model->mark));
    fixture_reopen(model->fixture);
    model->condemned = false;
    model->reopened++;
}

static void empty_trash(struct model *model) {
    struct store_collect_result result = {0};
    OK(store_empty_trash(model->fixture->store, 20, 5, &result, &err));
}

static void check(struct model *model) {
    for (size_t p = 0; p < POINTS; p++)
        if (model->points[p].live)
            must_have(model, &model->points[p].names);
    for (size_t s = 0; s < SESSIONS; s++)
        for (uint64_t i = 0; i < NUMBERS && model->sessions[s].writer != NULL; i++)
            if (model->sessions[s].used.has[i]) {
                struct digest name = name_of(i);
                bool has;
                OK(store_writer_has(model->sessions[s].writer, &name, &has, &err));
                assert_true(has);
            }
    (void)read_range(model->fixture, 0, NUMBERS);
}

static void points_stay_readable_whatever_happens(void **state) {
    static void (*const steps[])(struct model *) = {
        session_open, session_open,   session_put,    session_put,   session_put,  session_put,
        session_ask,  session_commit, session_commit, session_abort, point_delete, collect_step,
        collect_step, collect_step,   reopen,         empty_trash};
    struct model *model = mem_new(sizeof *model);
    model->fixture = *state;
    model->seed = seed_start("store_model");
    for (unsigned i = 0; i < STEPS; i++) {
        steps[seed_below(&model->seed, ARRAY_N(steps))](model);
        if (i % 30 == 29)
            check(model);
    }
    for (size_t i = 0; i < SESSIONS; i++)
        store_writer_close(TAKE(model->sessions[i].writer));
    store_mark_free(TAKE(model->mark));
    fixture_reopen(model->fixture);
    check(model);
    assert_int_equal(verify(model->fixture, true).n, 0);
    printf("%llu commits, %llu sweeps, %llu packs trashed, %llu times busy, %llu restarts\n",
           (unsigned long long)model->commits, (unsigned long long)model->swept,
           (unsigned long long)model->trashed, (unsigned long long)model->busy,
           (unsigned long long)model->reopened);
    mem_free(model);
}

int main(void) {
    fixture_in_memory();
    const struct CMUnitTest tests[] = {CASE(points_stay_readable_whatever_happens)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
