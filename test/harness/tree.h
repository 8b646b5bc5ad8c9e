#pragma once
/* Folders full of everything a file system can hold, made from a seed; and whether two of them are
 * the same.  Written without the code under test: it calls the kernel itself. */
#include <stdbool.h>
#include <stddef.h>

#include "seed.h"

struct tree_opts {
    size_t entries;    /* about; 0 = 300 */
    size_t file_bytes; /* of the largest ordinary file; 0 = 64 KiB */
    bool no_devices;   /* char and block devices, sockets */
    bool no_set_id;    /* set-id bits, capabilities */
    bool no_foreign_owner;
    bool no_deep_path; /* beyond PATH_MAX */
};

/* Sparse files, hard links, attributes, ACLs, odd and long names, modes, owners and times, fifos,
 * symbolic links that dangle or loop, deep paths; devices, foreign owners and the like as far as
 * the caller's user may.  `root` must exist. */
void tree_make(const char *root, struct seed *seed, struct tree_opts opts);
/* Change the tree in place: rewrite, append, truncate, remove, rename, add `entries` more. */
void tree_change(const char *root, struct seed *seed, struct tree_opts opts);

enum tree_ignore {
    TREE_IGNORE_OWNER = 1,
    TREE_IGNORE_ROOT = 2,  /* metadata of the two top folders */
    TREE_IGNORE_HOLES = 4, /* where the data of sparse files lies */
    TREE_IGNORE_SPECIAL_MODE = 8
};
#define TREE_DIFFERENCE_MAX 1024
/* Names, kinds, content, holes, metadata, attributes, hard-link groups.  False: `difference` names
 * the first path and what differs there. */
bool tree_equal(const char *a, const char *b, unsigned ignore,
                char difference[static TREE_DIFFERENCE_MAX]);

/* The folder and all in it, whatever its depth and modes. */
void tree_remove(const char *root);
