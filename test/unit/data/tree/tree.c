/* Covers src/data/tree/{tree,tree_seen}.c */
#include "flow_fixture.h"

#include "data/tree/tree.h"
#include "data/tree/tree_seen.h"
#include "format/manifest/manifest_int.h"

#define FILES 4000
#define LARGE_CHUNKS 100

/* A folder of files with one chunk each, the last ("large") with a list in an index page. */
static struct flow_point point_make(void) {
    struct flow_point point = {.info = {.computer = "agent.example", .root_path = FLOW_ROOT}};
    AUTO(manifest_builder) *builder = manifest_builder_new(flow_emit, &point);
    struct chunk_ref refs[LARGE_CHUNKS];
    struct buf index = {0};
    struct digest index_name;
    OK(manifest_add(builder, &(struct entry){.kind = ENTRY_DIR}, &err));
    for (int i = 0; i < FILES; i++) {
        char path[16];
        struct chunk_ref ref = {.name = {{1, (uint8_t)i, (uint8_t)(i >> 8)}}, .length = 5};
        (void)text_format(path, sizeof path, "f%05d", i);
        struct entry entry = {.path = span_text(path),
                              .kind = ENTRY_FILE,
                              .size = 5,
                              .refs = &ref,
                              .ref_n = 1,
                              .chunk_n = 1};
        OK(manifest_add(builder, &entry, &err));
    }
    for (size_t i = 0; i < LARGE_CHUNKS; i++)
        refs[i] = (struct chunk_ref){.name = {{2, (uint8_t)i}}, .length = 10};
    manifest_index_put(&index, refs, LARGE_CHUNKS);
    hash_typed(CHUNK_INDEX, buf_span(&index), &index_name);
    OK(flow_emit(&point, CHUNK_INDEX, &index_name, buf_span(&index), &err));
    struct entry large = {.path = span_text("large"),
                          .kind = ENTRY_FILE,
                          .size = LARGE_CHUNKS * 10,
                          .index_pages = &index_name,
                          .index_page_n = 1,
                          .chunk_n = LARGE_CHUNKS};
    OK(manifest_add(builder, &large, &err));
    OK(manifest_finish(builder, &point.info, &point.root, &err));
    buf_done(&index);
    return point;
}

/* Every chunk but this one. */
static void store_point(struct flow_world *w, const struct flow_point *point,
                        const struct digest *without) {
    AUTO(store_writer) *writer = NULL;
    const struct store_session session = {.job = {1}};
    OK(store_writer_open(w->store, &session, &writer, &err));
    for (size_t i = 0; i < point->chunks.n; i++) {
        const struct flow_chunk *chunk = &point->chunks.p[i];
        struct segment_chunk listed = {.type = (uint8_t)chunk->type,
                                       .length = (uint32_t)chunk->bytes.n};
        struct segment segment = {.codec = SEGMENT_RAW,
                                  .plain_bytes = listed.length,
                                  .chunk_n = 1,
                                  .chunks = &listed,
                                  .payload = buf_span(&chunk->bytes)};
        uint64_t stored;
        if (without == NULL || !digest_equal(&chunk->name, without))
            OK(store_put(writer, &segment, buf_span(&chunk->bytes), &chunk->name, &stored, &err));
    }
    OK(store_writer_sync(writer, &err));
}

/* The first chunk of a type. */
static const struct digest *one_of(const struct flow_point *point, enum chunk_type type) {
    for (size_t i = 0; i < point->chunks.n; i++)
        if (point->chunks.p[i].type == type)
            return &point->chunks.p[i].name;
    fail_msg("the point has no chunk of type %u", (unsigned)type);
    return NULL;
}

static size_t count_of(const struct flow_point *point, enum chunk_type type) {
    size_t n = 0;
    for (size_t i = 0; i < point->chunks.n; i++)
        n += point->chunks.p[i].type == type;
    return n;
}

struct walked {
    size_t pages[5]; /* by type */
    size_t entries, small_chunks, large_chunks, broken, entered;
    struct digest broken_name;
    enum err_code broken_code;
    struct buf last;
    bool in_order, first_is_root;
    bool break_off;
};

static int note_page(void *ctx, enum chunk_type type, const struct digest *name, struct span bytes,
                     struct err *) {
    struct walked *walked = ctx;
    struct digest check;
    hash_typed((uint8_t)type, bytes, &check);
    assert_true(digest_equal(&check, name));
    if (type == CHUNK_MANIFEST)
        walked->first_is_root = walked->pages[CHUNK_TREE] == 0;
    walked->pages[type]++;
    return 0;
}

static int note_entry(void *ctx, const struct entry *entry, struct err *) {
    struct walked *walked = ctx;
    if (walked->entries++ > 0 && manifest_path_compare(buf_span(&walked->last), entry->path) >= 0)
        walked->in_order = false;
    buf_clear(&walked->last);
    buf_put_span(&walked->last, entry->path);
    return 0;
}

static int note_chunk(void *ctx, const struct digest *name, struct err *) {
    struct walked *walked = ctx;
    if (name->b[0] == 1)
        walked->small_chunks++;
    else if (name->b[1] == walked->large_chunks) /* in file order */
        walked->large_chunks++;
    return 0;
}

static int note_broken(void *ctx, const struct digest *name, const struct err *why,
                       struct err *err) {
    struct walked *walked = ctx;
    walked->broken++;
    walked->broken_name = *name;
    walked->broken_code = why->code;
    return walked->break_off ? ERR(err, ERR_INTERRUPTED, "enough") : 0;
}

static bool not_leaves(void *ctx, const struct manifest_ref *ref) {
    struct walked *walked = ctx;
    walked->entered++;
    return ref->level > 0;
}

static struct tree_visitor visitor_of(struct walked *walked) {
    *walked = (struct walked){.in_order = true};
    return (struct tree_visitor){
        .ctx = walked, .page = note_page, .entry = note_entry, .chunk = note_chunk};
}

static void a_walk_shows_every_page_entry_and_chunk_in_order(void **state) {
    struct flow_world *w = *state;
    struct flow_point point = point_make();
    struct walked walked;
    struct tree_visitor visitor = visitor_of(&walked);
    store_point(w, &point, NULL);
    AUTO(store_reader) *reader = store_reader_new(w->store);
    OK(tree_walk(reader, &point.root, &visitor, &err));
    assert_true(walked.first_is_root);
    assert_true(walked.in_order);
    assert_int_equal(walked.entries, FILES + 2);
    assert_int_equal(walked.small_chunks, FILES);
    assert_int_equal(walked.large_chunks, LARGE_CHUNKS);
    assert_int_equal(walked.pages[CHUNK_MANIFEST], 1);
    assert_int_equal(walked.pages[CHUNK_TREE], count_of(&point, CHUNK_TREE));
    assert_int_equal(walked.pages[CHUNK_INDEX], 1);
    assert_true(point.info.tree.level > 0);
    buf_done(&walked.last);
    flow_point_done(&point);
}

static void index_pages_are_not_loaded_when_nobody_asks_for_chunks(void **state) {
    struct flow_world *w = *state;
    struct flow_point point = point_make();
    struct walked walked;
    struct tree_visitor visitor = visitor_of(&walked);
    visitor.chunk = NULL;
    store_point(w, &point, one_of(&point, CHUNK_INDEX));
    AUTO(store_reader) *reader = store_reader_new(w->store);
    OK(tree_walk(reader, &point.root, &visitor, &err));
    assert_int_equal(walked.entries, FILES + 2);
    assert_int_equal(walked.pages[CHUNK_INDEX], 0);
    buf_done(&walked.last);
    flow_point_done(&point);
}

static void a_subtree_that_is_not_entered_is_not_loaded(void **state) {
    struct flow_world *w = *state;
    struct flow_point point = point_make();
    struct walked walked;
    struct tree_visitor visitor = visitor_of(&walked);
    visitor.enter = not_leaves;
    store_point(w, &point, one_of(&point, CHUNK_TREE)); /* the first leaf is not even there */
    AUTO(store_reader) *reader = store_reader_new(w->store);
    OK(tree_walk(reader, &point.root, &visitor, &err));
    assert_int_equal(walked.entries, 0);
    assert_int_equal(walked.entered, count_of(&point, CHUNK_TREE));
    assert_in_range(walked.pages[CHUNK_TREE], 1, count_of(&point, CHUNK_TREE) - 1);
    buf_done(&walked.last);
    flow_point_done(&point);
}

/* Without one chunk: told, and passed over; or the end, when nobody is there to be told. */
static void expect_broken(struct flow_world *w, enum chunk_type type, size_t least, size_t most) {
    struct flow_point point = point_make();
    struct walked walked;
    const struct digest *name = one_of(&point, type);
    struct tree_visitor visitor = visitor_of(&walked);
    store_point(w, &point, name);
    AUTO(store_reader) *reader = store_reader_new(w->store);
    visitor.broken = note_broken;
    OK(tree_walk(reader, &point.root, &visitor, &err));
    assert_int_equal(walked.broken, 1);
    assert_true(digest_equal(&walked.broken_name, name));
    assert_int_equal(walked.broken_code, ERR_CHUNK_MISSING);
    assert_in_range(walked.entries, least, most);
    buf_done(&walked.last);

    visitor = visitor_of(&walked);
    FAILS(ERR_CHUNK_MISSING, tree_walk(reader, &point.root, &visitor, &err));
    buf_done(&walked.last);

    visitor = visitor_of(&walked);
    visitor.broken = note_broken;
    walked.break_off = true;
    FAILS(ERR_INTERRUPTED, tree_walk(reader, &point.root, &visitor, &err));
    assert_int_equal(walked.broken, 1);
    buf_done(&walked.last);
    flow_point_done(&point);
}

static void a_missing_leaf_costs_only_its_entries(void **state) {
    expect_broken(*state, CHUNK_TREE, 1, FILES + 1);
}

static void a_missing_index_page_costs_no_entry(void **state) {
    expect_broken(*state, CHUNK_INDEX, FILES + 2, FILES + 2);
}

static void a_missing_root_record_leaves_nothing_to_walk(void **state) {
    expect_broken(*state, CHUNK_MANIFEST, 0, 0);
}

static void the_root_record_is_read_alone(void **state) {
    struct flow_world *w = *state;
    struct flow_point point = point_make();
    struct manifest_info info;
    store_point(w, &point, NULL);
    AUTO(store_reader) *reader = store_reader_new(w->store);
    OK(tree_info(reader, &point.root, &info, &err));
    assert_int_equal(info.tree.totals.entries, FILES + 2);
    assert_string_equal(info.root_path, FLOW_ROOT);
    FAILS(ERR_CHUNK_MISSING, tree_info(reader, &info.tree.page, &info, &err)); /* another type */
    flow_point_done(&point);
}

/* An inner page over these children, as a chunk of the point. */
static struct manifest_ref inner_over(struct flow_point *point, const struct manifest_ref *children,
                                      size_t n) {
    struct inner_out inner = {0};
    struct buf page = {0};
    struct manifest_ref ref = {.level = (uint8_t)(children[0].level + 1),
                               .first_path = children[0].first_path};
    manifest_inner_out_begin(&inner, ref.level);
    for (size_t i = 0; i < n; i++)
        manifest_inner_out_add(&inner, &children[i]);
    manifest_inner_out_page(&inner, &page);
    ref.totals = inner.sum;
    hash_typed(CHUNK_TREE, buf_span(&page), &ref.page);
    OK(flow_emit(point, CHUNK_TREE, &ref.page, buf_span(&page), &err));
    manifest_inner_out_done(&inner);
    buf_done(&page);
    return ref;
}

/* Each page is in order and sums up; but the second inner page begins with leaves of the first. */
static void pages_that_name_the_same_leaves_again_end_the_walk(void **state) {
    struct flow_world *w = *state;
    struct flow_point point = point_make();
    struct walked walked;
    struct buf bytes = {0}, record = {0};
    AUTO(manifest_page) *page = NULL;
    for (size_t i = 0; i < point.chunks.n; i++)
        if (digest_equal(&point.chunks.p[i].name, &point.info.tree.page))
            buf_put_span(&bytes, buf_span(&point.chunks.p[i].bytes));
    OK(manifest_page_open(buf_span(&bytes), &page, &err));
    size_t n = manifest_page_n(page);
    assert_true(n >= 3);
    const struct manifest_ref *leaves = manifest_page_child(page, 0);
    struct manifest_ref twice[] = {inner_over(&point, leaves, n),
                                   inner_over(&point, leaves + 1, n - 1)};
    point.info.tree = inner_over(&point, twice, 2);
    manifest_info_put(&record, &point.info);
    hash_typed(CHUNK_MANIFEST, buf_span(&record), &point.root);
    OK(flow_emit(&point, CHUNK_MANIFEST, &point.root, buf_span(&record), &err));
    store_point(w, &point, NULL);
    struct tree_visitor visitor = visitor_of(&walked);
    AUTO(store_reader) *reader = store_reader_new(w->store);
    FAILS(ERR_FORMAT, tree_walk(reader, &point.root, &visitor, &err));
    assert_int_equal(walked.entries, FILES + 2); /* once */
    buf_done(&walked.last);
    buf_done(&bytes);
    buf_done(&record);
    flow_point_done(&point);
}

static void a_set_of_names_knows_exactly_what_was_added(void **state) {
    (void)state;
    struct tree_seen *seen = tree_seen_new();
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < 5000; i++) {
            struct digest name = {{0}}; /* all fall on one slot of a young table */
            be32_put(name.b + 28, i);
            assert_int_equal(tree_seen_has(seen, &name), pass == 1);
            assert_int_equal(tree_seen_add(seen, &name), pass == 0);
            assert_true(tree_seen_has(seen, &name));
        }
    tree_seen_free(seen);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, flow_setup, flow_teardown)
        TEST(a_walk_shows_every_page_entry_and_chunk_in_order),
        TEST(index_pages_are_not_loaded_when_nobody_asks_for_chunks),
        TEST(a_subtree_that_is_not_entered_is_not_loaded),
        TEST(a_missing_leaf_costs_only_its_entries),
        TEST(a_missing_index_page_costs_no_entry),
        TEST(a_missing_root_record_leaves_nothing_to_walk),
        TEST(the_root_record_is_read_alone),
        TEST(pages_that_name_the_same_leaves_again_end_the_walk),
        cmocka_unit_test(a_set_of_names_knows_exactly_what_was_added),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
