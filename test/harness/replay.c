/* The main of a fuzz target built without libFuzzer: runs it over every file of the folders named,
 * and over every truncation of the smaller ones. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX (4u << 20)
#define CUT_BYTES_MAX 2048u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

static int replay(const char *path) {
    static uint8_t bytes[FILE_BYTES_MAX];
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return -1;
    size_t n = fread(bytes, 1, sizeof bytes, file);
    (void)fclose(file);
    run(bytes, n);
    for (size_t cut = 0; n <= CUT_BYTES_MAX && cut < n; cut++)
        run(bytes, cut);
    return 0;
}

int main(int argc, char **argv) {
    unsigned files_n = 0;
    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        for (const struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
            char path[4096];
            int n = snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
            if (e->d_name[0] == '.' || n < 0 || (size_t)n >= sizeof path)
                continue;
            if (replay(path) != 0) {
                perror(path);
                return 1;
            }
            files_n++;
        }
        if (dir != NULL)
            (void)closedir(dir);
    }
    printf("%u files replayed\n", files_n);
    return files_n > 0 ? 0 : 1; /* a corpus that is not there tests nothing */
}
