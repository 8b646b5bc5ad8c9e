/* The main of a fuzz target built without libFuzzer: runs it over every file of the folders
 * named, over every truncation of the smaller ones, and over some hundred damaged copies of
 * each.  The damage is the same for the same CASEMATE_SEED; CASEMATE_FUZZ_ROUNDS says how many
 * copies (docs/fuzzing.md). */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "seed.h"

#define FILE_BYTES_MAX (4u << 20)
#define CUT_BYTES_MAX 2048u
#define ROUNDS 300u
#define BYTES_PER_FILE (64u << 20) /* large seeds get fewer rounds */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    uint8_t *bytes; /* room for FILE_BYTES_MAX */
    size_t n;
};

/* Each input in a block of exactly its size, so that a sanitizer sees the first byte too many. */
static void run(const uint8_t *bytes, size_t n) {
    uint8_t *exact = malloc(n > 0 ? n : 1);
    if (exact == NULL)
        abort();
    if (n > 0)
        memcpy(exact, bytes, n);
    (void)LLVMFuzzerTestOneInput(exact, n);
    free(exact);
}

static void damage(struct seed *seed, struct input *input) {
    static const uint8_t edges[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    size_t at = seed_below(seed, input->n), n = 1 + seed_below(seed, 16);
    n = n < input->n - at ? n : input->n - at;
    uint8_t *p = input->bytes + at;
    switch (seed_below(seed, 6)) {
    case 0:
        p[0] ^= (uint8_t)(1u << seed_below(seed, 8));
        break;
    case 1:
        memset(p, edges[seed_below(seed, sizeof edges)], n);
        break;
    case 2:
        p[0] = (uint8_t)(p[0] + seed_below(seed, 9) - 4);
        break;
    case 3: /* gone */
        memmove(p, p + n, input->n - at - n);
        input->n -= n;
        break;
    case 4: /* twice */
        if (input->n + n <= FILE_BYTES_MAX) {
            memmove(p + n, p, input->n - at);
            input->n += n;
        }
        break;
    default: /* moved */
        memmove(p, input->bytes + seed_below(seed, input->n - n + 1), n);
        break;
    }
}

static void run_damaged(struct seed *seed, const uint8_t *bytes, size_t n, struct input *input,
                        uint64_t rounds) {
    if (n > 0 && rounds > BYTES_PER_FILE / n)
        rounds = BYTES_PER_FILE / n;
    for (uint64_t i = 0; n > 0 && i < rounds; i++) {
        memcpy(input->bytes, bytes, n);
        input->n = n;
        for (uint64_t k = 1 + seed_below(seed, 4); k > 0 && input->n > 0; k--)
            damage(seed, input);
        run(input->bytes, input->n);
    }
}

static int replay(const char *path, struct seed *seed, struct input *input, uint64_t rounds) {
    static uint8_t bytes[FILE_BYTES_MAX];
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return -1;
    size_t n = fread(bytes, 1, sizeof bytes, file);
    (void)fclose(file);
    run(bytes, n);
    for (size_t cut = 0; n <= CUT_BYTES_MAX && cut < n; cut++)
        run(bytes, cut);
    run_damaged(seed, bytes, n, input, rounds);
    return 0;
}

static int visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

/* In order of their names: the damage depends on it. */
static int replay_folder(const char *folder, struct seed *seed, struct input *input,
                         uint64_t rounds, unsigned *files_n) {
    struct dirent **names;
    int n = scandir(folder, &names, visible, alphasort);
    int rc = 0;
    for (int i = 0; i < n; i++) {
        char path[4096];
        int m = snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
        if (rc == 0 &&
            (m < 0 || (size_t)m >= sizeof path || replay(path, seed, input, rounds) != 0)) {
            perror(path);
            rc = -1;
        }
        (*files_n)++;
        free(names[i]);
    }
    if (n >= 0)
        free(names);
    return rc;
}

int main(int argc, char **argv) {
    static uint8_t room[FILE_BYTES_MAX];
    struct input input = {.bytes = room};
    const char *given = getenv("CASEMATE_FUZZ_ROUNDS");
    uint64_t rounds = given != NULL ? strtoull(given, NULL, 10) : ROUNDS;
    struct seed seed = seed_start(argv[0]);
    (void)fflush(stdout); /* what follows may not come back */
    unsigned files_n = 0;
    for (int i = 1; i < argc; i++)
        if (replay_folder(argv[i], &seed, &input, rounds, &files_n) != 0)
            return 1;
    printf("%u files replayed, up to %llu damaged copies of each\n", files_n,
           (unsigned long long)rounds);
    return files_n > 0 ? 0 : 1; /* a corpus that is not there tests nothing */
}
