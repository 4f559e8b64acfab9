//go:build linux && cgo

package token

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"path/filepath"
	"sync"
	"testing"
)

// TestFastSignerAgrees holds the library against crypto/rsa, from many goroutines,
// and with keys that come and go.
func TestFastSignerAgrees(t *testing.T) {
	t.Parallel()
	// The dynamic linker finds it in one of these; elsewhere there is nothing to hold.
	found, _ := filepath.Glob("/usr/lib*/*/libcrypto.so.3")
	if len(found) > 0 && !libcrypto() {
		t.Errorf("%s was not opened", found[0])
	}
	for range 3 {
		key, err := GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		sg, err := NewSigner("k", key)
		if err != nil {
			t.Fatal(err)
		}
		if libcrypto() && newFastSigner(key) == nil {
			t.Error("the library does not sign as crypto/rsa does")
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 10 {
					digest := make([]byte, sha256.Size)
					rand.Read(digest)
					got, err := sg.sign(digest)
					if err != nil {
						t.Error(err)
						return
					}
					want, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest)
					if err != nil || !bytes.Equal(got, want) {
						t.Errorf("other signature than crypto/rsa's, or none: %v", err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
}
