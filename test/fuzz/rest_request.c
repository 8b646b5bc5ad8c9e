/* A request as strangers may write it: path, body, escaped bytes.  The first byte says which
 * method, the rest up to a line feed is the path, what follows the body. */
#include <string.h>

#include "base/text.h"
#include "door/rest/rest_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static const char *const methods[] = {"GET", "POST", "PATCH", "DELETE", "PUT"};
    if (n == 0)
        return 0;
    const uint8_t *line = memchr(bytes, '\n', n);
    size_t path_n = line != NULL ? (size_t)(line - bytes) - 1 : n - 1;
    if (line == bytes)
        return 0;
    struct buf path = {0}, raw = {0}, escaped = {0}, back = {0};
    struct rest_request request = {0};
    struct err err = {0};
    buf_put(&path, bytes + 1, path_n);
    if (rest_route_find(&request, methods[bytes[0] % ARRAY_N(methods)], buf_text(&path), &err) ==
            0 &&
        line != NULL) {
        json_error_t why;
        request.body =
            json_loadb((const char *)line + 1, n - path_n - 2, JSON_REJECT_DUPLICATES, &why);
        if (json_is_object(request.body) && request.info->body != NULL)
            (void)rest_check_object(request.info->body, request.body, &err);
        json_decref(request.body);
    }
    if (rest_unescape(buf_text(&path), &raw)) { /* what unescapes comes back the same */
        text_escape(&escaped, buf_span(&raw));
        INVARIANT(rest_unescape(buf_text(&escaped), &back));
        INVARIANT(span_equal(buf_span(&raw), buf_span(&back)));
    }
    mem_free(request.url);
    buf_done(&path);
    buf_done(&raw);
    buf_done(&escaped);
    buf_done(&back);
    return 0;
}
