/* The tables.  Change i brings a database from version i to i + 1: never edited once released, only
 * added to.  docs/format/catalog.md describes them. */
#include "data/catalog/catalog_int.h"

static const char *const state_changes[] = {
    "CREATE TABLE computer("
    " name TEXT PRIMARY KEY COLLATE NOCASE, address TEXT NOT NULL, port INTEGER NOT NULL,"
    " mode TEXT NOT NULL, state TEXT NOT NULL, agent_version TEXT NOT NULL,"
    " attached INTEGER NOT NULL, last_seen INTEGER NOT NULL, trust BLOB NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE grp("
    " name TEXT PRIMARY KEY COLLATE NOCASE, one_file_system INTEGER NOT NULL,"
    " exclude_caches INTEGER NOT NULL, level INTEGER NOT NULL, created INTEGER NOT NULL,"
    " excludes BLOB NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE source(" /* a row is never removed: the id is for ever */
    " id BLOB PRIMARY KEY CHECK(length(id) = 16), computer TEXT NOT NULL COLLATE NOCASE,"
    " path TEXT NOT NULL, grp TEXT COLLATE NOCASE REFERENCES grp(name),"
    " UNIQUE(computer, path)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX source_by_group ON source(grp);"
    "CREATE TABLE hold("
    " point BLOB PRIMARY KEY CHECK(length(point) = 32), since INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE job("
    " n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, state TEXT NOT NULL,"
    " grp TEXT NOT NULL COLLATE NOCASE, computer TEXT NOT NULL COLLATE NOCASE,"
    " source TEXT NOT NULL, created INTEGER NOT NULL, started INTEGER NOT NULL,"
    " finished INTEGER NOT NULL, entries_found INTEGER NOT NULL, entries_done INTEGER NOT NULL,"
    " files_done INTEGER NOT NULL, bytes_done INTEGER NOT NULL, bytes_total INTEGER NOT NULL,"
    " bytes_read INTEGER NOT NULL, bytes_sent INTEGER NOT NULL, bytes_stored INTEGER NOT NULL,"
    " problem_count INTEGER NOT NULL, error INTEGER NOT NULL, error_text TEXT NOT NULL,"
    " result BLOB NOT NULL"
    ") STRICT;"
    "CREATE INDEX job_by_state ON job(state);"
    "CREATE TABLE job_problem("
    " job INTEGER NOT NULL REFERENCES job(n) ON DELETE CASCADE, n INTEGER NOT NULL,"
    " path BLOB NOT NULL, reason BLOB NOT NULL, PRIMARY KEY(job, n)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE setting(key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE audit("
    " n INTEGER PRIMARY KEY, time INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL,"
    " hash BLOB NOT NULL CHECK(length(hash) = 32)"
    ") STRICT;"
    "CREATE TRIGGER audit_keeps BEFORE UPDATE ON audit"
    " BEGIN SELECT RAISE(ABORT, 'the audit trail only grows'); END;"
    "CREATE TRIGGER audit_stays BEFORE DELETE ON audit"
    " BEGIN SELECT RAISE(ABORT, 'the audit trail only grows'); END;",
};

static const char *const points_changes[] = {
    "CREATE TABLE point("
    " id BLOB PRIMARY KEY CHECK(length(id) = 32), source BLOB NOT NULL, job BLOB NOT NULL,"
    " sequence INTEGER NOT NULL, manifest BLOB NOT NULL, state INTEGER NOT NULL,"
    " started INTEGER NOT NULL, finished INTEGER NOT NULL, entries INTEGER NOT NULL,"
    " files INTEGER NOT NULL, dirs INTEGER NOT NULL, bytes INTEGER NOT NULL,"
    " problems INTEGER NOT NULL, read_bytes INTEGER NOT NULL, sent_bytes INTEGER NOT NULL,"
    " stored_bytes INTEGER NOT NULL, computer TEXT NOT NULL COLLATE NOCASE, path TEXT NOT NULL,"
    " deleted INTEGER NOT NULL, UNIQUE(source, sequence), UNIQUE(job, source)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX point_by_time ON point(finished, sequence, id);"
    "CREATE INDEX point_by_computer ON point(computer, finished, sequence, id);",
};

const struct db_kind db_state = {
    .file = "state.db",
    .application_id = 0x434d7374, /* "CMst" */
    .damaged = ERR_STATE_DAMAGED,
    .changes = state_changes,
    .change_n = ARRAY_N(state_changes),
};
const struct db_kind db_points = {
    .file = "catalog.db",
    .application_id = 0x434d7074, /* "CMpt" */
    .damaged = ERR_CATALOG_DAMAGED,
    .changes = points_changes,
    .change_n = ARRAY_N(points_changes),
};
