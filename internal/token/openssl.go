//go:build linux && cgo

package token

// OpenSSL's RSA is about three times as fast as Go's on processors with AVX-512, and
// signing is most of what a refresh grant costs (docs/decisions/0066-signing-with-openssl.md).
// The library is opened while running, so that the binary needs none to be built or
// to start: without it, or with one that does not agree with crypto/rsa, Go's signs.

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stddef.h>

// What is used of libcrypto 3 (man 3 EVP_PKEY_sign), by the names in its ABI.
static void *(*d2i)(void **, const unsigned char **, long);
static void (*pkey_free)(void *);
static void *(*ctx_new)(void *, void *);
static void (*ctx_free)(void *);
static int (*sign_init)(void *);
static int (*set_padding)(void *, int);
static int (*set_md)(void *, const void *);
static int (*do_sign)(void *, unsigned char *, size_t *, const unsigned char *, size_t);
static const void *(*sha256)(void);
static void (*clear_errors)(void);

// lentil_crypto_open finds the functions; 0 if one is missing.
static int lentil_crypto_open(void) {
	void *lib = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
	if (!lib) return 0;
	return (d2i = dlsym(lib, "d2i_AutoPrivateKey")) && (pkey_free = dlsym(lib, "EVP_PKEY_free")) &&
		(ctx_new = dlsym(lib, "EVP_PKEY_CTX_new")) && (ctx_free = dlsym(lib, "EVP_PKEY_CTX_free")) &&
		(sign_init = dlsym(lib, "EVP_PKEY_sign_init")) && (set_padding = dlsym(lib, "EVP_PKEY_CTX_set_rsa_padding")) &&
		(set_md = dlsym(lib, "EVP_PKEY_CTX_set_signature_md")) && (do_sign = dlsym(lib, "EVP_PKEY_sign")) &&
		(sha256 = dlsym(lib, "EVP_sha256")) && (clear_errors = dlsym(lib, "ERR_clear_error"));
}

// lentil_crypto_key reads a private key; NULL if it cannot.
static void *lentil_crypto_key(const unsigned char *der, long n) {
	void *key = d2i(NULL, &der, n);
	if (!key) clear_errors();
	return key;
}

// lentil_crypto_free forgets a key.
static void lentil_crypto_free(void *key) { pkey_free(key); }

// lentil_crypto_sign makes a PKCS #1 v1.5 signature of a SHA-256 digest; the number
// of its bytes, or 0. Padding 1 is RSA_PKCS1_PADDING.
static size_t lentil_crypto_sign(void *key, const unsigned char *digest, unsigned char *sig, size_t n) {
	void *ctx = ctx_new(key, NULL);
	int ok = ctx && sign_init(ctx) > 0 && set_padding(ctx, 1) > 0 && set_md(ctx, sha256()) > 0 && do_sign(ctx, sig, &n, digest, 32) > 0;
	if (ctx) ctx_free(ctx);
	if (!ok) clear_errors(); // the queue belongs to the thread, which others use
	return ok ? n : 0;
}
*/
import "C"

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"runtime"
	"sync"
	"unsafe"
)

// libcrypto tells, once, whether the library is there.
var libcrypto = sync.OnceValue(func() bool { return C.lentil_crypto_open() != 0 })

// errLibcrypto is a signature that the library did not make.
var errLibcrypto = errors.New("token: libcrypto could not sign")

// fastSigner is a key in the library. A call blocks its thread for as long as a
// signature takes, so no more are let in than there are processors.
type fastSigner struct {
	key   unsafe.Pointer
	size  int
	turns chan struct{}
}

// newFastSigner gives a key to the library; nil if there is none, or if it does not
// sign as crypto/rsa does. The padding leaves nothing to chance, so equal signatures
// are what a right library makes.
func newFastSigner(key *rsa.PrivateKey) func(digest []byte) ([]byte, error) {
	if !libcrypto() {
		return nil
	}
	der := x509.MarshalPKCS1PrivateKey(key)
	p := C.lentil_crypto_key((*C.uchar)(&der[0]), C.long(len(der)))
	clear(der)
	if p == nil {
		return nil
	}
	f := &fastSigner{key: p, size: key.Size(), turns: make(chan struct{}, runtime.GOMAXPROCS(0))}
	runtime.AddCleanup(f, func(p unsafe.Pointer) { C.lentil_crypto_free(p) }, p)
	digest := sha256.Sum256([]byte("lentil agrees with libcrypto"))
	want, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	if err != nil {
		return nil
	}
	if got, err := f.sign(digest[:]); err != nil || !bytes.Equal(got, want) {
		return nil
	}
	return f.sign
}

// sign makes one signature.
func (f *fastSigner) sign(digest []byte) ([]byte, error) {
	f.turns <- struct{}{}
	sig := make([]byte, f.size)
	n := C.lentil_crypto_sign(f.key, (*C.uchar)(&digest[0]), (*C.uchar)(&sig[0]), C.size_t(len(sig)))
	<-f.turns
	runtime.KeepAlive(f)
	if int(n) != f.size {
		return nil, errLibcrypto
	}
	return sig, nil
}
