#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "base/base.h"
#include "base/text.h"
#include "crypto/x509_int.h"
#include "os/clock.h"

/* OpenSSL accepts what the requirements do not: a missing extended key usage counts as any, a
 * missing list as not revoked, an empty subject as fine.  So its verification runs with a callback
 * that only notes what is wrong, and every requirement of ours is looked at as well. */

CRYPTO_CLEANUP(X509_STORE_CTX, store_ctx_auto, X509_STORE_CTX_free)
CRYPTO_CLEANUP(EXTENDED_KEY_USAGE, eku_auto, EXTENDED_KEY_USAGE_free)

struct x509_trust {
    X509_STORE *store;
    struct digest roots[X509_CERTIFICATES_MAX];
    size_t roots_n;
    struct digest anchor_sha256;
    bool any_anchor;
    bool require_crl;
    bool allow_weak_key;
    int64_t now_s;
};

static int add_anchors(struct x509_trust *trust, struct span pem, struct err *err) {
    AUTO(x509_bundle) *bundle = x509_bundle_new();
    struct span no_password = {0};
    if (pem.n == 0)
        return 0; /* trusts nobody */
    if (x509_bundle_add(bundle, pem, no_password, err) != 0)
        return ERR_NOTE(err, "trusted authorities");
    for (size_t i = 0; i < bundle->certificates_n; i++) {
        X509 *authority = bundle->certificates[i];
        struct digest *sha256 = &trust->roots[trust->roots_n];
        if (X509_STORE_add_cert(trust->store, authority) != 1 ||
            X509_digest(authority, EVP_sha256(), sha256->b, NULL) != 1)
            return crypto_fail(err, ERR_CERTIFICATE, "cannot trust the authority");
        if ((X509_get_extension_flags(authority) & EXFLAG_SI) != 0)
            trust->roots_n++;
    }
    return 0;
}

static int add_crl(void *arg, X509_CRL *crl, struct err *err) {
    if (X509_STORE_add_crl(arg, crl) != 1)
        return crypto_fail(err, ERR_CERTIFICATE, "cannot use the revocation list");
    return 0;
}

int x509_trust_new(const struct x509_policy *policy, struct x509_trust **out, struct err *err) {
    AUTO(x509_trust) *trust = mem_new(sizeof *trust);
    trust->store = X509_STORE_new();
    INVARIANT(trust->store != NULL);
    trust->any_anchor = policy->anchor_sha256 == NULL;
    if (policy->anchor_sha256 != NULL)
        trust->anchor_sha256 = *policy->anchor_sha256;
    trust->require_crl = policy->require_crl;
    trust->allow_weak_key = policy->allow_weak_key;
    trust->now_s = policy->now_s;
    if (add_anchors(trust, policy->anchors_pem, err) != 0 ||
        x509_crl_each(policy->crls_pem, add_crl, trust->store, err) != 0)
        return -1;
    *out = TAKE(trust);
    return 0;
}

void x509_trust_free(struct x509_trust *trust) {
    if (trust == NULL)
        return;
    X509_STORE_free(trust->store);
    mem_free(trust);
}

const char *x509_requirement_text(enum x509_requirement which) {
    static const char *const texts[X509_REQUIREMENTS_N] = {
        [X509_IS_V3] = "is not X.509 version 3",
        [X509_NOT_SELF_SIGNED] = "is self-signed",
        [X509_HAS_SUBJECT] = "has an empty subject",
        [X509_ROOT_HAS_SUBJECT] = "its root has an empty subject",
        [X509_HAS_KEY] = "its private key is missing or another one",
        [X509_KEY_STRONG] = "its key, or one above it, is too weak",
        [X509_KEY_BOUNDED] = "its key, or one above it, is too long",
        [X509_KEY_SIGNS] = "its key may not be used for signatures",
        [X509_EKU_BOTH] = "lacks client and server authentication as extended key usage",
        [X509_NAMES_CLEAN] = "has a malformed or wildcard name",
        [X509_CHAIN_COMPLETE] = "does not lead to a trusted root",
        [X509_CHAIN_SOUND] = "its chain breaks a rule of X.509",
        [X509_CHAIN_BOUNDED] = "its chain is too long",
        [X509_ANCHORED] = "is not below the recorded authority",
        [X509_IN_DATE] = "is expired or not yet valid",
        [X509_CRL_PRESENT] = "an authority's revocation list is missing",
        [X509_CRL_CURRENT] = "a revocation list is out of date",
        [X509_NOT_REVOKED] = "is revoked",
    };
    return which < X509_REQUIREMENTS_N ? texts[which] : "";
}

static void note(struct x509_report *report, enum x509_requirement which, bool holds) {
    if (!holds)
        report->unmet |= 1u << which;
}

static enum x509_requirement requirement_of(int error) {
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
    case X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD:
    case X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD:
        return X509_IN_DATE;
    case X509_V_ERR_CERT_REVOKED:
        return X509_NOT_REVOKED;
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
    case X509_V_ERR_DIFFERENT_CRL_SCOPE:
        return X509_CRL_PRESENT;
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD:
    case X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD:
        return X509_CRL_CURRENT;
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK:
        return X509_KEY_STRONG;
    case X509_V_ERR_CERT_CHAIN_TOO_LONG:
        return X509_CHAIN_BOUNDED;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED:
        return X509_CHAIN_COMPLETE;
    default:
        return X509_CHAIN_SOUND;
    }
}

struct noting {
    struct x509_report *report;
    bool require_crl;
};

static int note_error(int ok, X509_STORE_CTX *ctx) {
    if (ok == 1)
        return 1;
    const struct noting *noting = X509_STORE_CTX_get_app_data(ctx);
    enum x509_requirement which = requirement_of(X509_STORE_CTX_get_error(ctx));
    bool soft = which == X509_CRL_PRESENT || which == X509_CRL_CURRENT;
    note(noting->report, which, soft && !noting->require_crl);
    return 1; /* go on, to find what else is wrong */
}

static bool key_allowed(X509 *certificate, bool allow_weak, bool leaf) {
    const EVP_PKEY *key = X509_get0_pubkey(certificate);
    if (key == NULL)
        return false;
    if (EVP_PKEY_is_a(key, "RSA"))
        return EVP_PKEY_get_bits(key) >= (allow_weak ? 1024 : 2048);
    if (EVP_PKEY_is_a(key, "ED25519"))
        return true;
    char group[32] = "";
    size_t n = 0;
    if (!EVP_PKEY_is_a(key, "EC") || EVP_PKEY_get_group_name(key, group, sizeof group, &n) != 1)
        return false;
    bool nist = text_equal(group, "prime256v1") || text_equal(group, "secp384r1") ||
                text_equal(group, "secp521r1");
    return nist || (!leaf && EVP_PKEY_get_security_bits(key) >= 128);
}

static bool key_bounded(X509 *certificate) {
    const EVP_PKEY *key = X509_get0_pubkey(certificate);
    return key == NULL || EVP_PKEY_get_bits(key) <= X509_RSA_BITS_MAX;
}

/* Exactly one extension, naming both uses; "any" does not count. */
static bool eku_has_both(X509 *certificate) {
    __attribute__((cleanup(eku_auto))) EXTENDED_KEY_USAGE *uses =
        X509_get_ext_d2i(certificate, NID_ext_key_usage, NULL, NULL);
    bool client = false, server = false;
    for (int i = 0; uses != NULL && i < sk_ASN1_OBJECT_num(uses); i++) {
        int nid = OBJ_obj2nid(sk_ASN1_OBJECT_value(uses, i));
        client = client || nid == NID_client_auth;
        server = server || nid == NID_server_auth;
    }
    return client && server;
}

static bool subject_filled(X509 *certificate) {
    return X509_NAME_entry_count(X509_get_subject_name(certificate)) > 0;
}

/* A name with a zero byte inside reads as another one elsewhere; a star names many. */
static bool names_clean(X509 *certificate) {
    struct x509_info info;
    const X509_NAME *subject = X509_get_subject_name(certificate);
    for (int i = 0; i < X509_NAME_entry_count(subject); i++) {
        const ASN1_STRING *value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i));
        const unsigned char *p = ASN1_STRING_get0_data(value);
        size_t n = (size_t)ASN1_STRING_length(value);
        bool wide = ASN1_STRING_type(value) == V_ASN1_BMPSTRING ||
                    ASN1_STRING_type(value) == V_ASN1_UNIVERSALSTRING;
        if (n > 0 && !wide && (memchr(p, 0, n) != NULL || memchr(p, '*', n) != NULL))
            return false;
    }
    return x509_names(certificate, &info);
}

static void check_leaf(const struct x509_trust *trust, X509 *leaf, struct x509_report *report) {
    uint32_t flags = X509_get_extension_flags(leaf);
    note(report, X509_IS_V3, X509_get_version(leaf) == X509_VERSION_3);
    note(report, X509_NOT_SELF_SIGNED, (flags & EXFLAG_SI) == 0);
    note(report, X509_HAS_SUBJECT, subject_filled(leaf));
    note(report, X509_KEY_STRONG, key_allowed(leaf, trust->allow_weak_key, true));
    note(report, X509_KEY_SIGNS, (X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) != 0);
    note(report, X509_EKU_BOTH, eku_has_both(leaf));
    note(report, X509_NAMES_CLEAN, names_clean(leaf));
    note(report, X509_CHAIN_SOUND, (flags & EXFLAG_INVALID) == 0);
}

/* Said once more, apart from OpenSSL: an earlier finding keeps it from saying it. */
static bool is_root(const struct x509_trust *trust, X509 *certificate) {
    struct digest sha256;
    if (X509_digest(certificate, EVP_sha256(), sha256.b, NULL) != 1)
        return false;
    for (size_t i = 0; i < trust->roots_n; i++)
        if (digest_equal(&sha256, &trust->roots[i]))
            return true;
    return false;
}

/* The verified chain: an authority that is limited to other uses does not vouch for these. */
static void check_issuers(const struct x509_trust *trust, STACK_OF(X509) * chain,
                          struct x509_path *path, struct x509_report *report) {
    int n = sk_X509_num(chain);
    bool anchored = trust->any_anchor;
    note(report, X509_CHAIN_BOUNDED, n <= X509_DEPTH_MAX + 1);
    for (int i = 0; i < n && path->n < ARRAY_N(path->sha256); i++) {
        X509 *certificate = sk_X509_value(chain, i);
        struct digest *sha256 = &path->sha256[path->n++];
        if (X509_digest(certificate, EVP_sha256(), sha256->b, NULL) != 1)
            note(report, X509_CHAIN_SOUND, false);
        if (i == 0)
            continue;
        note(report, X509_KEY_STRONG, key_allowed(certificate, trust->allow_weak_key, false));
        note(report, X509_CHAIN_SOUND,
             X509_check_purpose(certificate, X509_PURPOSE_SSL_CLIENT, 1) != 0 &&
                 X509_check_purpose(certificate, X509_PURPOSE_SSL_SERVER, 1) != 0);
        anchored = anchored || digest_equal(sha256, &trust->anchor_sha256);
    }
    X509 *last = sk_X509_value(chain, n - 1);
    note(report, X509_CHAIN_COMPLETE, n > 1 && is_root(trust, last));
    bool has_root = (X509_get_extension_flags(last) & EXFLAG_SI) != 0;
    note(report, X509_ROOT_HAS_SUBJECT, !has_root || subject_filled(last));
    note(report, X509_ANCHORED, anchored);
}

/* Nothing is computed with an absurd key, or with a chain of absurd size. */
static bool affordable(X509 *leaf, STACK_OF(X509) * untrusted, struct x509_report *report) {
    size_t bytes = 0;
    bool bounded = key_bounded(leaf);
    for (int i = 0; untrusted != NULL && i < sk_X509_num(untrusted); i++) {
        int n = i2d_X509(sk_X509_value(untrusted, i), NULL);
        bytes += n > 0 ? (size_t)n : 0;
        bounded = bounded && key_bounded(sk_X509_value(untrusted, i));
    }
    note(report, X509_KEY_BOUNDED, bounded);
    note(report, X509_CHAIN_BOUNDED, bytes <= X509_CHAIN_BYTES_MAX);
    return bounded && bytes <= X509_CHAIN_BYTES_MAX;
}

static X509_STORE_CTX *prepare(const struct x509_trust *trust, X509 *leaf,
                               STACK_OF(X509) * untrusted, struct noting *noting) {
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    if (ctx == NULL || X509_STORE_CTX_init(ctx, trust->store, leaf, untrusted) != 1) {
        X509_STORE_CTX_free(ctx);
        return NULL;
    }
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    (void)X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT | X509_V_FLAG_CRL_CHECK |
                                                 X509_V_FLAG_CRL_CHECK_ALL);
    X509_VERIFY_PARAM_set_depth(param, X509_DEPTH_MAX);
    X509_VERIFY_PARAM_set_auth_level(param, trust->allow_weak_key ? 1 : 2);
    X509_VERIFY_PARAM_set_time(param, (time_t)(trust->now_s != 0 ? trust->now_s : os_wall_s()));
    X509_STORE_CTX_set_app_data(ctx, noting);
    X509_STORE_CTX_set_verify_cb(ctx, note_error);
    return ctx;
}

void x509_check_objects(const struct x509_trust *trust, X509 *leaf, STACK_OF(X509) * untrusted,
                        struct x509_path *path, struct x509_report *report) {
    struct noting noting = {.report = report, .require_crl = trust->require_crl};
    *path = (struct x509_path){.n = 0};
    check_leaf(trust, leaf, report);
    if (affordable(leaf, untrusted, report)) {
        __attribute__((cleanup(store_ctx_auto))) X509_STORE_CTX *ctx =
            prepare(trust, leaf, untrusted, &noting);
        bool ran = ctx != NULL && X509_verify_cert(ctx) == 1;
        note(report, X509_CHAIN_SOUND, ran);
        STACK_OF(X509) *chain = ran ? X509_STORE_CTX_get0_chain(ctx) : NULL;
        if (chain != NULL)
            check_issuers(trust, chain, path, report);
    }
    crypto_forget();
}

int x509_report_fail(const struct x509_report *report, const char *subject, struct err *err) {
    char text[ERR_TEXT_MAX] = "";
    size_t n = 0;
    for (unsigned i = 0; i < X509_REQUIREMENTS_N; i++)
        if (x509_unmet(report, i) && n < sizeof text) {
            (void)text_format(text + n, sizeof text - n, "%s%s", n > 0 ? "; " : "",
                              x509_requirement_text(i));
            n = strlen(text);
        }
    return ERR(err, ERR_CERTIFICATE, "certificate %.120s: %s", subject[0] != 0 ? subject : "-",
               text);
}

int x509_check(const struct x509_trust *trust, const struct x509_chain *chain,
               enum x509_whose whose, struct x509_report *report, struct err *err) {
    struct x509_report found = {0};
    struct x509_path path;
    STACK_OF(X509) *untrusted = sk_X509_new_reserve(NULL, X509_DEPTH_MAX);
    INVARIANT(untrusted != NULL);
    for (size_t i = 1; i < chain->n; i++)
        (void)sk_X509_push(untrusted, chain->links[i].certificate);
    X509 *leaf = chain->links[0].certificate;
    x509_check_objects(trust, leaf, untrusted, &path, &found);
    sk_X509_free(untrusted);
    bool has_key = chain->key != NULL && X509_check_private_key(leaf, chain->key) == 1;
    note(&found, X509_HAS_KEY, whose == X509_PEERS || has_key);
    crypto_forget();
    if (report != NULL)
        *report = found;
    return found.unmet != 0 ? x509_report_fail(&found, chain->links[0].info.subject, err) : 0;
}
