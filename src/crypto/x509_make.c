#include "crypto/x509_make.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "base/text.h"
#include "crypto/x509_int.h"
#include "os/random.h"

CRYPTO_CLEANUP(EVP_PKEY_CTX, key_ctx_auto, EVP_PKEY_CTX_free)
CRYPTO_CLEANUP(ASN1_TIME, time_auto, ASN1_TIME_free)
CRYPTO_CLEANUP(ASN1_INTEGER, integer_auto, ASN1_INTEGER_free)
CRYPTO_CLEANUP(X509_REVOKED, revoked_auto, X509_REVOKED_free)
#define TIME_AUTO __attribute__((cleanup(time_auto))) ASN1_TIME
#define INTEGER_AUTO __attribute__((cleanup(integer_auto))) ASN1_INTEGER

static bool choose(EVP_PKEY_CTX *ctx, enum x509_make_key kind, uint32_t rsa_bits) {
    if (kind == X509_MAKE_RSA)
        return EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, (int)rsa_bits) == 1;
    return kind != X509_MAKE_EC || EVP_PKEY_CTX_set_group_name(ctx, "P-256") == 1;
}

int x509_make_key(enum x509_make_key kind, uint32_t rsa_bits, struct secret **key_pem,
                  struct err *err) {
    static const char *const names[] = {
        [X509_MAKE_EC] = "EC", [X509_MAKE_RSA] = "RSA", [X509_MAKE_ED25519] = "ED25519"};
    if (kind == X509_MAKE_RSA && (rsa_bits < 512 || rsa_bits > X509_RSA_BITS_MAX))
        return ERR(err, ERR_USAGE, "RSA keys of %u bits are not made", rsa_bits);
    __attribute__((cleanup(key_ctx_auto))) EVP_PKEY_CTX *ctx =
        EVP_PKEY_CTX_new_from_name(NULL, names[kind], NULL);
    EVP_PKEY *made = NULL;
    if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1 || !choose(ctx, kind, rsa_bits) ||
        EVP_PKEY_generate(ctx, &made) != 1)
        return crypto_fail(err, ERR_CRYPTO, "cannot make a key");
    PKEY_AUTO *key = made;
    return x509_key_pem(key, key_pem, err);
}

void x509_make_serial(struct x509_serial *serial) {
    os_random(serial->b, sizeof serial->b);
    serial->b[0] = (serial->b[0] & 0x7f) | 0x40;
}

static ASN1_INTEGER *serial_number(const struct x509_serial *serial) {
    BIGNUM *number = BN_bin2bn(serial->b, sizeof serial->b, NULL);
    ASN1_INTEGER *integer = number != NULL ? BN_to_ASN1_INTEGER(number, NULL) : NULL;
    BN_free(number);
    return integer;
}

/* Owned parts of who signs; certificate NULL: self-signed. */
struct signer {
    X509 *certificate;
    EVP_PKEY *key;
};

static void signer_done(struct signer *signer) {
    X509_free(signer->certificate);
    EVP_PKEY_free(signer->key);
}

static EVP_PKEY *read_key(struct span pem) {
    BIO_AUTO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    return bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
}

static X509 *read_certificate(struct span pem) {
    BIO_AUTO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    return bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
}

static int read_signer(const struct x509_issuer *issuer, struct signer *signer, struct err *err) {
    if (issuer->certificate_pem.n == 0)
        return 0;
    signer->certificate = read_certificate(issuer->certificate_pem);
    signer->key = read_key(issuer->key_pem);
    if (signer->certificate == NULL || signer->key == NULL ||
        X509_check_private_key(signer->certificate, signer->key) != 1)
        return crypto_fail(err, ERR_CERTIFICATE, "certificate and key of the issuer do not match");
    return 0;
}

static bool add_text(X509_NAME *name, const char *field, const char *text) {
    return text == NULL || text[0] == 0 ||
           X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, (const unsigned char *)text, -1,
                                      -1, 0) == 1;
}

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value) {
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

static GENERAL_NAME *general_name(const char *text) {
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_OCTET_STRING *address = a2i_IPADDRESS(text);
    crypto_forget();
    if (address != NULL) {
        GENERAL_NAME_set0_value(name, GEN_IPADD, address);
        return name;
    }
    ASN1_IA5STRING *dns = ASN1_IA5STRING_new();
    INVARIANT(name != NULL && dns != NULL && ASN1_STRING_set(dns, text, -1) == 1);
    GENERAL_NAME_set0_value(name, GEN_DNS, dns);
    return name;
}

static bool add_names(X509 *certificate, const struct x509_template *template) {
    if (template->names_n == 0)
        return true;
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    INVARIANT(names != NULL);
    for (size_t i = 0; i < template->names_n; i++)
        INVARIANT(sk_GENERAL_NAME_push(names, general_name(template->names[i])) > 0);
    bool ok = X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, 0) == 1;
    GENERAL_NAMES_free(names);
    return ok;
}

static const char *use_text(unsigned uses) {
    if (uses == (X509_MAKE_CLIENT | X509_MAKE_SERVER))
        return "serverAuth,clientAuth";
    return uses == X509_MAKE_SERVER ? "serverAuth" : "clientAuth";
}

static bool add_uses(X509 *certificate, X509 *issuer, const struct x509_template *template) {
    if (template->authority)
        return add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:TRUE") &&
               add_extension(certificate, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
    return add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(certificate, issuer, NID_key_usage, "critical,digitalSignature") &&
           (template->uses == 0 ||
            add_extension(certificate, issuer, NID_ext_key_usage, use_text(template->uses)));
}

static bool add_crl_url(X509 *certificate, X509 *issuer, const char *url) {
    char value[512];
    if (url == NULL || url[0] == 0)
        return true;
    return text_format(value, sizeof value, "URI:%s", url) && strpbrk(url, ",\n\r") == NULL &&
           add_extension(certificate, issuer, NID_crl_distribution_points, value);
}

static bool fill(X509 *certificate, const struct x509_template *template, EVP_PKEY *subject_key) {
    INTEGER_AUTO *serial = serial_number(&template->serial);
    TIME_AUTO *before = ASN1_TIME_set(NULL, (time_t) template->not_before_s);
    TIME_AUTO *after = ASN1_TIME_set(NULL, (time_t) template->not_after_s);
    return serial != NULL && before != NULL && after != NULL &&
           X509_set_version(certificate, X509_VERSION_3) == 1 &&
           X509_set_serialNumber(certificate, serial) == 1 &&
           X509_set1_notBefore(certificate, before) == 1 &&
           X509_set1_notAfter(certificate, after) == 1 &&
           X509_set_pubkey(certificate, subject_key) == 1;
}

/* Identifiers follow the subject and key; the signature comes last. */
static bool finish(X509 *certificate, const struct x509_template *template,
                   const struct signer *signer, EVP_PKEY *subject_key) {
    X509 *issuer = signer->certificate != NULL ? signer->certificate : certificate;
    EVP_PKEY *key = signer->key != NULL ? signer->key : subject_key;
    const EVP_MD *hash = EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256();
    return X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
           add_uses(certificate, issuer, template) &&
           add_extension(certificate, issuer, NID_subject_key_identifier, "hash") &&
           add_extension(certificate, issuer, NID_authority_key_identifier, "keyid:always") &&
           add_crl_url(certificate, issuer, template->crl_url) &&
           X509_sign(certificate, key, hash) > 0;
}

/* `old` gives subject and names of a renewed certificate, else the template does. */
static bool name_it(X509 *certificate, const struct x509_template *template, const X509 *old) {
    if (old == NULL) {
        X509_NAME *subject = X509_get_subject_name(certificate);
        return add_text(subject, "O", template->organisation) &&
               add_text(subject, "CN", template->common_name) && add_names(certificate, template);
    }
    int at = X509_get_ext_by_NID(old, NID_subject_alt_name, -1);
    return X509_set_subject_name(certificate, X509_get_subject_name(old)) == 1 &&
           (at < 0 || X509_add_ext(certificate, X509_get_ext(old, at), -1) == 1);
}

static int make(const struct x509_template *template, const X509 *old, struct span subject_key_pem,
                const struct x509_issuer *issuer, struct buf *pem, struct err *err) {
    SCOPED(signer) signer = {0};
    if (read_signer(issuer, &signer, err) != 0)
        return -1;
    PKEY_AUTO *subject_key = read_key(subject_key_pem);
    X509_AUTO *certificate = X509_new();
    if (subject_key == NULL || certificate == NULL || !fill(certificate, template, subject_key) ||
        !name_it(certificate, template, old) ||
        !finish(certificate, template, &signer, subject_key))
        return crypto_fail(err, ERR_CRYPTO, "cannot make the certificate");
    return x509_put_pem(certificate, pem, err);
}

int x509_make_certificate(const struct x509_template *template, struct span subject_key_pem,
                          const struct x509_issuer *issuer, struct buf *pem, struct err *err) {
    return make(template, NULL, subject_key_pem, issuer, pem, err);
}

int x509_make_renewed(const struct x509_template *template, struct span old_pem,
                      struct span subject_key_pem, const struct x509_issuer *issuer,
                      struct buf *pem, struct err *err) {
    X509_AUTO *old = read_certificate(old_pem);
    if (old == NULL)
        return crypto_fail(err, ERR_CERTIFICATE, "cannot read the certificate to renew");
    return make(template, old, subject_key_pem, issuer, pem, err);
}

static bool add_revoked(X509_CRL *crl, const struct x509_revoked *revoked) {
    INTEGER_AUTO *serial = serial_number(&revoked->serial);
    TIME_AUTO *when = ASN1_TIME_set(NULL, (time_t)revoked->when_s);
    __attribute__((cleanup(revoked_auto))) X509_REVOKED *entry = X509_REVOKED_new();
    bool ok = serial != NULL && when != NULL && entry != NULL &&
              X509_REVOKED_set_serialNumber(entry, serial) == 1 &&
              X509_REVOKED_set_revocationDate(entry, when) == 1 &&
              X509_CRL_add0_revoked(crl, entry) == 1;
    if (ok)
        entry = NULL; /* the list owns it */
    return ok;
}

static bool fill_crl(X509_CRL *crl, const struct x509_crl_template *template,
                     const struct signer *signer) {
    TIME_AUTO *this_update = ASN1_TIME_set(NULL, (time_t) template->this_update_s);
    TIME_AUTO *next_update = ASN1_TIME_set(NULL, (time_t) template->next_update_s);
    INTEGER_AUTO *number = ASN1_INTEGER_new();
    bool ok = this_update != NULL && next_update != NULL && number != NULL &&
              ASN1_INTEGER_set_uint64(number, template->number) == 1 &&
              X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
              X509_CRL_set_issuer_name(crl, X509_get_subject_name(signer->certificate)) == 1 &&
              X509_CRL_set1_lastUpdate(crl, this_update) == 1 &&
              X509_CRL_set1_nextUpdate(crl, next_update) == 1 &&
              X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, 0) == 1;
    for (size_t i = 0; i < template->revoked_n && ok; i++)
        ok = add_revoked(crl, &template->revoked[i]);
    return ok;
}

static bool add_authority_id(X509_CRL *crl, X509 *issuer) {
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, NULL, NULL, crl, 0);
    X509_EXTENSION *id =
        X509V3_EXT_conf_nid(NULL, &ctx, NID_authority_key_identifier, "keyid:always");
    bool ok = id != NULL && X509_CRL_add_ext(crl, id, -1) == 1;
    X509_EXTENSION_free(id);
    return ok;
}

int x509_make_crl(const struct x509_crl_template *template, const struct x509_issuer *issuer,
                  struct buf *pem, struct err *err) {
    SCOPED(signer) signer = {0};
    if (read_signer(issuer, &signer, err) != 0)
        return -1;
    INVARIANT(signer.certificate != NULL);
    const EVP_MD *hash = EVP_PKEY_is_a(signer.key, "ED25519") ? NULL : EVP_sha256();
    CRL_AUTO *crl = X509_CRL_new();
    BIO_AUTO *bio = BIO_new(BIO_s_mem());
    if (crl == NULL || bio == NULL || !fill_crl(crl, template, &signer) ||
        !add_authority_id(crl, signer.certificate) || X509_CRL_sort(crl) != 1 ||
        X509_CRL_sign(crl, signer.key, hash) <= 0 || PEM_write_bio_X509_CRL(bio, crl) != 1)
        return crypto_fail(err, ERR_CRYPTO, "cannot make the revocation list");
    char *text = NULL;
    long n = BIO_get_mem_data(bio, &text);
    buf_put(pem, text, (size_t)n);
    return 0;
}
