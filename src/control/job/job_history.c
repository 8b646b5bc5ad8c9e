/* Jobs and the catalog's rows. */
#include "base/text.h"
#include "control/job/job_int.h"

static_assert((unsigned)JOB_COUNT_N == CATALOG_JOB_COUNTS);
static_assert(JOB_PROBLEMS_MAX <= CATALOG_JOB_PROBLEMS_MAX);

void jobs_hex(const struct job_id *id, char hex[static 2 * JOB_ID_BYTES + 1]) {
    text_hex(hex, id->b, sizeof id->b);
}

static void row_of(const struct job *job, enum job_state state, const struct err *why,
                   struct catalog_job *row) {
    *row = (struct catalog_job){.created_s = job->created_s,
                                .started_s = job->started_s,
                                .finished_s = job->finished_s,
                                .problem_count = job->problem_count,
                                .result = buf_span(&job->result)};
    jobs_hex(&job->id, row->id);
    (void)text_copy(row->kind, sizeof row->kind, job_kind_name(job->kind));
    (void)text_copy(row->state, sizeof row->state, job_state_name(state));
    memcpy(row->group, job->group, sizeof row->group);
    memcpy(row->computer, job->computer, sizeof row->computer);
    memcpy(row->source, job->source, sizeof row->source);
    for (size_t i = 0; i < JOB_COUNT_N; i++)
        row->counts[i] = atomic_load(&job->counts[i]);
    if (why != NULL) {
        row->error = (uint32_t)why->code;
        (void)text_copy(row->error_text, sizeof row->error_text, why->text);
    }
}

/* What the row borrows does not change meanwhile: a job is written before its work begins and after
 * it ended. */
int jobs_put(struct job *job, enum job_state state, const struct err *why, struct err *err) {
    struct jobs *jobs = job->jobs;
    struct catalog_job row;
    VEC(struct catalog_problem) problems = {0};
    os_mutex_lock(&jobs->mutex);
    row_of(job, state, why, &row);
    for (size_t i = 0; i < job->problems.n; i++)
        *vec_push(&problems) =
            (struct catalog_problem){.path = buf_span(&job->problems.p[i].path),
                                     .reason = buf_span(&job->problems.p[i].reason)};
    os_mutex_unlock(&jobs->mutex);
    int rc = catalog_job_put(jobs->catalog, &row, problems.p, problems.n, err);
    vec_done(&problems);
    return rc;
}

bool jobs_write(struct job *job, enum job_state state, const struct err *why) {
    struct jobs *jobs = job->jobs;
    struct err err = {0};
    bool written = jobs_put(job, state, why, &err) == 0;
    if (!written && jobs->opts.trouble != NULL)
        jobs->opts.trouble(jobs->opts.ctx, &job->id, &err);
    return written;
}

void jobs_tell(struct job *job) {
    struct jobs *jobs = job->jobs;
    struct job_info info;
    if (jobs->opts.event == NULL)
        return;
    os_mutex_lock(&jobs->mutex);
    jobs_info(job, &info);
    os_mutex_unlock(&jobs->mutex);
    jobs->opts.event(jobs->opts.ctx, &info);
}

void jobs_info_of_row(const struct catalog_job *row, struct job_info *info) {
    *info = (struct job_info){.kind = JOB_KIND_BACKUP,
                              .state = JOB_INTERRUPTED,
                              .created_s = row->created_s,
                              .started_s = row->started_s,
                              .finished_s = row->finished_s,
                              .problem_count = row->problem_count,
                              .version = JOB_VERSION_ENDED};
    (void)text_unhex(row->id, strlen(row->id), info->id.b, sizeof info->id.b);
    (void)job_kind_of(row->kind, &info->kind);
    (void)job_state_of(row->state, &info->state);
    memcpy(info->group, row->group, sizeof info->group);
    memcpy(info->computer, row->computer, sizeof info->computer);
    memcpy(info->source, row->source, sizeof info->source);
    for (size_t i = 0; i < JOB_COUNT_N; i++)
        info->progress.count[i] = row->counts[i];
    if (row->error != 0) {
        info->err.code = err_info((enum err_code)row->error)->code;
        (void)text_copy(info->err.text, sizeof info->err.text, row->error_text);
    }
}

static int take_row(void *ctx, const struct catalog_job *row, struct err *err) {
    (void)err;
    jobs_info_of_row(row, ctx);
    return 0;
}

int jobs_find_row(struct jobs *jobs, const struct job_id *id, bool *found, struct job_info *info,
                  struct err *err) {
    char hex[2 * JOB_ID_BYTES + 1];
    struct err why = {0};
    jobs_hex(id, hex);
    *found = catalog_job(jobs->catalog, hex, take_row, info, &why) == 0;
    if (*found || why.code == ERR_NOT_FOUND)
        return 0;
    if (err != NULL)
        *err = why;
    return -1;
}
