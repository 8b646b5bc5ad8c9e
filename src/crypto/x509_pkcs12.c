#include <openssl/asn1.h>
#include <openssl/evp.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#include "crypto/x509_int.h"

/* PKCS#12 names its own key derivation costs, so a file could cost hours: every count is read and
 * spent from one budget before the derivation it belongs to. */

CRYPTO_CLEANUP(PKCS12, pkcs12_auto, PKCS12_free)
CRYPTO_CLEANUP(PKCS8_PRIV_KEY_INFO, key_info_auto, PKCS8_PRIV_KEY_INFO_free)
CRYPTO_CLEANUP(PBE2PARAM, pbe2_auto, PBE2PARAM_free)
CRYPTO_CLEANUP(PBKDF2PARAM, pbkdf2_auto, PBKDF2PARAM_free)
CRYPTO_CLEANUP(PBEPARAM, pbe_auto, PBEPARAM_free)

static void free_contents(STACK_OF(PKCS7) * stack) {
    sk_PKCS7_pop_free(stack, PKCS7_free);
}
static void free_bags(STACK_OF(PKCS12_SAFEBAG) * stack) {
    sk_PKCS12_SAFEBAG_pop_free(stack, PKCS12_SAFEBAG_free);
}
CRYPTO_CLEANUP(STACK_OF(PKCS7), contents_auto, free_contents)
CRYPTO_CLEANUP(STACK_OF(PKCS12_SAFEBAG), bags_auto, free_bags)

struct reading {
    struct x509_bundle *bundle;
    const char *password;
    int password_n;
    uint64_t rounds_left;
};

static int spend(const ASN1_INTEGER *count, uint64_t *rounds_left, struct err *err) {
    uint64_t rounds = 1;
    if (count != NULL && ASN1_INTEGER_get_uint64(&rounds, count) != 1)
        return crypto_fail(err, ERR_CERTIFICATE, "cannot read a round count");
    if (rounds > *rounds_left)
        return ERR(err, ERR_LIMIT, "opening the file takes more than %u rounds of key derivation",
                   X509_PKCS12_ROUNDS_MAX);
    *rounds_left -= rounds;
    return 0;
}

static int spend_pbes2(const ASN1_TYPE *parameter, uint64_t *rounds_left, struct err *err) {
    __attribute__((cleanup(pbe2_auto))) PBE2PARAM *pbe2 =
        ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), parameter);
    if (pbe2 == NULL || OBJ_obj2nid(pbe2->keyfunc->algorithm) != NID_id_pbkdf2)
        return crypto_fail(err, ERR_CERTIFICATE, "the file is sealed with an unknown derivation");
    __attribute__((cleanup(pbkdf2_auto))) PBKDF2PARAM *pbkdf2 =
        ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM), pbe2->keyfunc->parameter);
    if (pbkdf2 == NULL)
        return crypto_fail(err, ERR_CERTIFICATE, "cannot read how the file is sealed");
    return spend(pbkdf2->iter, rounds_left, err);
}

int x509_spend_rounds(const X509_ALGOR *algorithm, uint64_t *rounds_left, struct err *err) {
    if (OBJ_obj2nid(algorithm->algorithm) == NID_pbes2)
        return spend_pbes2(algorithm->parameter, rounds_left, err);
    __attribute__((cleanup(pbe_auto))) PBEPARAM *pbe =
        ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBEPARAM), algorithm->parameter);
    if (pbe == NULL)
        return crypto_fail(err, ERR_CERTIFICATE, "cannot read how the file is sealed");
    return spend(pbe->iter, rounds_left, err);
}

static int read_sealed_key(struct reading *r, const PKCS12_SAFEBAG *bag, struct err *err) {
    const X509_ALGOR *algorithm = NULL;
    X509_SIG_get0(PKCS12_SAFEBAG_get0_pkcs8(bag), &algorithm, NULL);
    if (x509_spend_rounds(algorithm, &r->rounds_left, err) != 0)
        return -1;
    __attribute__((cleanup(key_info_auto))) PKCS8_PRIV_KEY_INFO *info =
        PKCS12_decrypt_skey(bag, r->password, r->password_n);
    if (info == NULL)
        return crypto_fail(err, ERR_AUTH, "the password does not open the private key");
    return x509_bundle_put_key(r->bundle, EVP_PKCS82PKEY(info), err);
}

static int read_bag(struct reading *r, const PKCS12_SAFEBAG *bag, struct err *err) {
    switch (PKCS12_SAFEBAG_get_nid(bag)) {
    case NID_certBag:
        if (PKCS12_SAFEBAG_get_bag_nid(bag) != NID_x509Certificate)
            return 0;
        return x509_bundle_put_certificate(r->bundle, PKCS12_SAFEBAG_get1_cert(bag), err);
    case NID_keyBag:
        return x509_bundle_put_key(r->bundle, EVP_PKCS82PKEY(PKCS12_SAFEBAG_get0_p8inf(bag)), err);
    case NID_pkcs8ShroudedKeyBag:
        return read_sealed_key(r, bag, err);
    default: /* lists, secrets and nested bags carry nothing we need */
        return 0;
    }
}

static int read_content(struct reading *r, PKCS7 *content, struct err *err) {
    __attribute__((cleanup(bags_auto))) STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
    int kind = OBJ_obj2nid(content->type);
    if (kind == NID_pkcs7_data) {
        bags = PKCS12_unpack_p7data(content);
    } else if (kind == NID_pkcs7_encrypted) {
        if (x509_spend_rounds(content->d.encrypted->enc_data->algorithm, &r->rounds_left, err) != 0)
            return -1;
        bags = PKCS12_unpack_p7encdata(content, r->password, r->password_n);
    } else {
        return 0; /* sealed for a certificate: not ours to open */
    }
    if (bags == NULL)
        return crypto_fail(err, ERR_AUTH, "the password does not open the file");
    for (int i = 0; i < sk_PKCS12_SAFEBAG_num(bags); i++)
        if (read_bag(r, sk_PKCS12_SAFEBAG_value(bags, i), err) != 0)
            return -1;
    return 0;
}

/* The standard has two ways to say "no password"; the check of the file tells which was meant. */
static int find_password(struct reading *r, PKCS12 *file, struct span password, struct err *err) {
    const ASN1_INTEGER *rounds = NULL;
    if (PKCS12_mac_present(file) != 1)
        return ERR(err, ERR_CERTIFICATE, "the PKCS#12 file has no integrity check");
    PKCS12_get0_mac(NULL, NULL, NULL, &rounds, file);
    for (int i = 0; i < 2; i++) {
        r->password = i == 0 && password.n > 0 ? (const char *)password.p : i == 0 ? "" : NULL;
        r->password_n = r->password != NULL ? (int)password.n : 0;
        if (spend(rounds, &r->rounds_left, err) != 0)
            return -1;
        if (PKCS12_verify_mac(file, r->password, r->password_n) == 1)
            return 0;
        if (password.n > 0)
            break;
    }
    return crypto_fail(err, ERR_AUTH, "the password does not open the PKCS#12 file");
}

int x509_bundle_add_pkcs12(struct x509_bundle *bundle, struct span file, struct span password,
                           struct err *err) {
    const unsigned char *p = file.p;
    struct reading r = {.bundle = bundle, .rounds_left = X509_PKCS12_ROUNDS_MAX};
    __attribute__((cleanup(pkcs12_auto))) PKCS12 *pkcs12 = d2i_PKCS12(NULL, &p, (long)file.n);
    if (pkcs12 == NULL)
        return crypto_fail(err, ERR_CERTIFICATE, "not a PKCS#12 file");
    if (find_password(&r, pkcs12, password, err) != 0)
        return -1;
    __attribute__((cleanup(contents_auto))) STACK_OF(PKCS7) *contents =
        PKCS12_unpack_authsafes(pkcs12);
    if (contents == NULL)
        return crypto_fail(err, ERR_CERTIFICATE, "cannot read the PKCS#12 file");
    for (int i = 0; i < sk_PKCS7_num(contents); i++)
        if (read_content(&r, sk_PKCS7_value(contents, i), err) != 0)
            return -1;
    return 0;
}

int x509_chain_pkcs12(const struct x509_chain *chain, const char *label, struct span password,
                      struct buf *out, struct err *err) {
    char text[X509_NAME_MAX + 1] = "";
    if (password.n >= sizeof text || chain->key == NULL)
        return ERR(err, ERR_USAGE,
                   "a PKCS#12 file needs the private key and a password of at "
                   "most %d bytes",
                   X509_NAME_MAX);
    if (password.n > 0)
        memcpy(text, password.p, password.n);
    STACK_OF(X509) *issuers = sk_X509_new_null();
    bool ok = issuers != NULL;
    for (size_t i = 1; i < chain->n && ok; i++)
        ok = sk_X509_push(issuers, chain->links[i].certificate) > 0;
    __attribute__((cleanup(pkcs12_auto))) PKCS12 *made =
        ok ? PKCS12_create_ex(text, label, chain->key, chain->links[0].certificate, issuers, 0, 0,
                              100000, 0, 0, NULL, NULL)
           : NULL;
    secret_wipe(text, sizeof text);
    sk_X509_free(issuers);
    unsigned char *der = NULL;
    int n = made != NULL ? i2d_PKCS12(made, &der) : -1;
    if (n <= 0)
        return crypto_fail(err, ERR_CRYPTO, "cannot make the PKCS#12 file");
    buf_put(out, der, (size_t)n);
    OPENSSL_free(der);
    return 0;
}
