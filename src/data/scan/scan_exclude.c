#include "data/scan/scan_exclude.h"

#include "base/base.h"
#include "base/vec.h"

/* A rule is cut at its slashes into parts, a path likewise; "**" stands for any number of whole
 * components.  Inside a part only one star at a time needs to be remembered: what comes before
 * it has matched at its earliest place, and a later place gains nothing.  The same holds for "**"
 * among parts.  So matching never recurses and costs at most rule x path. */
enum part_kind { PART_LITERAL, PART_SUFFIX, PART_GLOB, PART_ANY_DEPTH };

struct part {
    enum part_kind kind;
    struct span text; /* LITERAL, SUFFIX: unescaped; GLOB: as written */
};

struct rule {
    bool negated, only_dirs;
    bool anchored; /* the parts match the whole path, else the last component */
    size_t first, n;
};

struct scan_exclude {
    VEC(struct rule) rules;
    VEC(struct part) parts;
    struct buf text;
};

/* ---- one bracket expression ---- */

static bool is_between(uint8_t c, uint8_t low, uint8_t high) {
    return low <= c && c <= high;
}

/* Is c in the POSIX class?  ASCII only, whatever the locale.  -1: no such class. */
static int in_class(struct span name, uint8_t c) {
    bool upper = is_between(c, 'A', 'Z'), lower = is_between(c, 'a', 'z');
    bool digit = is_between(c, '0', '9'), alnum = upper || lower || digit;
    bool graph = is_between(c, '!', '~');
    const struct {
        const char *name;
        bool holds;
    } classes[] = {
        {"alnum", alnum},
        {"alpha", upper || lower},
        {"blank", c == ' ' || c == '\t'},
        {"cntrl", c < 0x20 || c == 0x7f},
        {"digit", digit},
        {"graph", graph},
        {"lower", lower},
        {"print", graph || c == ' '},
        {"punct", graph && !alnum},
        {"space", c == ' ' || is_between(c, '\t', '\r')},
        {"upper", upper},
        {"xdigit", digit || is_between(c, 'a', 'f') || is_between(c, 'A', 'F')},
    };
    for (size_t i = 0; i < ARRAY_N(classes); i++)
        if (span_equal(name, span_text(classes[i].name)))
            return classes[i].holds ? 1 : 0;
    return -1;
}

struct bracket {
    size_t end; /* index behind the ']' */
    bool hit;
};

enum class_found { CLASS_NONE, CLASS_UNKNOWN, CLASS_OUTSIDE, CLASS_INSIDE };

/* The character class "[:name:]" at p[*i], which stands on '[': is c in it?  *i moves behind. */
static enum class_found class_at(struct span p, size_t *i, uint8_t c) {
    if (*i + 1 >= p.n || p.p[*i + 1] != ':')
        return CLASS_NONE;
    size_t start = *i + 2, end = start;
    while (end < p.n && p.p[end] != ']')
        end++;
    if (end >= p.n)
        return CLASS_UNKNOWN;
    if (end == start || p.p[end - 1] != ':')
        return CLASS_NONE;
    int in = in_class((struct span){.p = p.p + start, .n = end - 1 - start}, c);
    if (in < 0)
        return CLASS_UNKNOWN;
    *i = end + 1;
    return in == 1 ? CLASS_INSIDE : CLASS_OUTSIDE;
}

/* One literal of a bracket, unescaped; false at the end of the pattern. */
static bool literal_at(struct span p, size_t *i, uint8_t *out) {
    if (*i < p.n && p.p[*i] == '\\')
        ++*i;
    if (*i >= p.n)
        return false;
    *out = p.p[(*i)++];
    return true;
}

/* Does the bracket at p[i] ('[') hold c?  False: it has no end, the rule is void. */
static bool bracket_at(struct span p, size_t i, uint8_t c, struct bracket *out) {
    i++;
    bool negated = i < p.n && (p.p[i] == '!' || p.p[i] == '^');
    i += negated ? 1 : 0;
    bool hit = false;
    for (bool first = true;; first = false) {
        if (i >= p.n)
            return false;
        if (p.p[i] == ']' && !first)
            break;
        enum class_found in = p.p[i] == '[' ? class_at(p, &i, c) : CLASS_NONE;
        if (in == CLASS_UNKNOWN)
            return false;
        if (in != CLASS_NONE) {
            hit = hit || in == CLASS_INSIDE;
            continue;
        }
        uint8_t low, high;
        if (!literal_at(p, &i, &low))
            return false;
        high = low;
        if (i + 1 < p.n && p.p[i] == '-' && p.p[i + 1] != ']') {
            i++;
            if (!literal_at(p, &i, &high))
                return false;
        }
        hit = hit || c == low || is_between(c, low, high);
    }
    *out = (struct bracket){.end = i + 1, .hit = hit != negated};
    return true;
}

/* ---- one part against one component ---- */

/* The single character at p[*i] against c; *i moves behind it. */
static bool one_matches(struct span p, size_t *i, uint8_t c) {
    uint8_t is = p.p[*i];
    if (is == '?') {
        ++*i;
        return true;
    }
    if (is == '[') {
        struct bracket bracket;
        if (!bracket_at(p, *i, c, &bracket))
            return false;
        *i = bracket.end;
        return bracket.hit;
    }
    if (is == '\\' && *i + 1 < p.n)
        is = p.p[++*i];
    ++*i;
    return is == c;
}

static bool glob_matches(struct span p, struct span text) {
    size_t i = 0, t = 0;
    size_t star = SIZE_MAX, resume = 0; /* behind the last star; where it stops taking */
    while (t < text.n) {
        if (i < p.n && p.p[i] == '*') {
            star = ++i;
            resume = t;
            continue;
        }
        if (i < p.n && one_matches(p, &i, text.p[t])) {
            t++;
            continue;
        }
        if (star == SIZE_MAX)
            return false;
        i = star;
        t = ++resume;
    }
    while (i < p.n && p.p[i] == '*')
        i++;
    return i == p.n;
}

static bool part_matches(const struct part *part, struct span text) {
    struct span tail = text;
    switch (part->kind) {
    case PART_LITERAL:
        return span_equal(part->text, text);
    case PART_SUFFIX:
        if (text.n < part->text.n)
            return false;
        tail.p += text.n - part->text.n;
        tail.n = part->text.n;
        return span_equal(part->text, tail);
    case PART_GLOB:
        return glob_matches(part->text, text);
    case PART_ANY_DEPTH:
        return true;
    }
    return false;
}

/* ---- a rule against a path ---- */

static struct span component_at(struct span path, size_t at) {
    const uint8_t *from = path.p + at;
    const uint8_t *slash = at < path.n ? memchr(from, '/', path.n - at) : NULL;
    return (struct span){.p = from, .n = slash != NULL ? (size_t)(slash - from) : path.n - at};
}

static bool anchored_matches(const struct part *parts, size_t n, struct span path) {
    size_t i = 0, at = 0; /* at == path.n + 1: past the last component */
    size_t deep = SIZE_MAX, resume = 0;
    while (at <= path.n) {
        if (i < n && parts[i].kind == PART_ANY_DEPTH) {
            if (i + 1 == n)
                return true; /* a trailing one needs a component: there is one */
            deep = ++i;
            resume = at;
            continue;
        }
        struct span component = component_at(path, at);
        if (i < n && part_matches(&parts[i], component)) {
            i++;
            at += component.n + 1;
            continue;
        }
        if (deep == SIZE_MAX)
            return false;
        i = deep;
        resume += component_at(path, resume).n + 1;
        at = resume;
    }
    return i == n;
}

bool scan_exclude_match(const struct scan_exclude *exclude, struct span path, size_t name_at,
                        bool is_dir) {
    if (exclude == NULL)
        return false;
    struct span name = {.p = path.p + name_at, .n = path.n - name_at};
    for (size_t i = exclude->rules.n; i-- > 0;) { /* later rules win */
        const struct rule *rule = &exclude->rules.p[i];
        if (rule->only_dirs && !is_dir)
            continue;
        const struct part *parts = exclude->parts.p + rule->first;
        if (rule->anchored ? anchored_matches(parts, rule->n, path) : part_matches(parts, name))
            return !rule->negated;
    }
    return false;
}

/* ---- compiling ---- */

/* Length without trailing spaces, unless a backslash keeps them. */
static size_t trimmed_length(struct span line) {
    size_t kept = 0;
    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] == '\\' && i + 1 < line.n)
            kept = ++i + 1;
        else if (line.p[i] != ' ')
            kept = i + 1;
    }
    return kept;
}

static bool is_special(uint8_t c) {
    return c == '*' || c == '?' || c == '[' || c == '\\';
}

struct extent_of_part {
    size_t n;           /* bytes of the part */
    size_t separator_n; /* then: "/", or "\/" which means the same */
};

/* The part that begins at p[at], up to a slash outside brackets.  False: an open bracket or a
 * backslash at the end, the rule matches nothing. */
static bool part_extent(struct span p, size_t at, struct extent_of_part *out) {
    size_t i = at;
    while (i < p.n && p.p[i] != '/') {
        if (p.p[i] == '[') {
            struct bracket bracket;
            if (!bracket_at(p, i, 0, &bracket))
                return false;
            i = bracket.end;
        } else if (p.p[i] == '\\') {
            if (i + 1 == p.n)
                return false;
            if (p.p[i + 1] == '/') {
                *out = (struct extent_of_part){.n = i - at, .separator_n = 2};
                return true;
            }
            i += 2;
        } else {
            i++;
        }
    }
    *out = (struct extent_of_part){.n = i - at, .separator_n = i < p.n ? 1 : 0};
    return true;
}

static struct part part_of(struct span text) {
    size_t special = 0, stars = 0;
    for (size_t i = 0; i < text.n; i++) {
        special += is_special(text.p[i]) ? 1 : 0;
        stars += text.p[i] == '*' ? 1 : 0;
    }
    if (stars == text.n && text.n > 1)
        return (struct part){.kind = PART_ANY_DEPTH};
    if (special == 0)
        return (struct part){.kind = PART_LITERAL, .text = text};
    if (special == 1 && text.p[0] == '*')
        return (struct part){.kind = PART_SUFFIX, .text = {.p = text.p + 1, .n = text.n - 1}};
    return (struct part){.kind = PART_GLOB, .text = text};
}

/* Cut into parts behind those already there; false: the rule can match nothing. */
static bool cut(struct scan_exclude *exclude, struct rule *rule, struct span p) {
    rule->first = exclude->parts.n;
    struct extent_of_part extent;
    size_t at = 0;
    do {
        if (!part_extent(p, at, &extent) || extent.n == 0) /* no path has an empty component */
            return false;
        *vec_push(&exclude->parts) = part_of((struct span){.p = p.p + at, .n = extent.n});
        at += extent.n + extent.separator_n;
    } while (extent.separator_n > 0);
    rule->n = exclude->parts.n - rule->first;
    return true;
}

static void compile(struct scan_exclude *exclude, struct span line) {
    line.n = trimmed_length(line);
    if (line.n == 0 || line.p[0] == '#')
        return;
    struct rule rule = {.negated = line.p[0] == '!'};
    if (rule.negated)
        line = (struct span){.p = line.p + 1, .n = line.n - 1};
    if (line.n > 0 && line.p[line.n - 1] == '/') {
        rule.only_dirs = true;
        line.n--;
    }
    rule.anchored = line.n > 0 && memchr(line.p, '/', line.n) != NULL;
    if (line.n > 0 && line.p[0] == '/')
        line = (struct span){.p = line.p + 1, .n = line.n - 1};
    size_t before = exclude->parts.n;
    if (cut(exclude, &rule, line))
        *vec_push(&exclude->rules) = rule;
    else
        exclude->parts.n = before;
}

struct scan_exclude *scan_exclude_new(const char *const *lines, size_t n) {
    struct scan_exclude *exclude = mem_new(sizeof *exclude);
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += strlen(lines[i]);
    buf_reserve(&exclude->text, bytes); /* parts point into it: it never moves again */
    for (size_t i = 0; i < n; i++) {
        struct span line = span_text(lines[i]);
        buf_put_span(&exclude->text, line);
        compile(exclude,
                (struct span){.p = exclude->text.p + exclude->text.n - line.n, .n = line.n});
    }
    if (exclude->rules.n == 0) {
        scan_exclude_free(exclude);
        return NULL;
    }
    return exclude;
}

void scan_exclude_free(struct scan_exclude *exclude) {
    if (exclude == NULL)
        return;
    vec_done(&exclude->rules);
    vec_done(&exclude->parts);
    buf_done(&exclude->text);
    mem_free(exclude);
}
