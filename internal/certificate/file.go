package certificate

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// mark is by what a changed file is known.
type mark struct {
	size    int64
	changed time.Time
}

// marksOf are the marks of both files; zero for one that is not there.
func marksOf(p Pair) (m [2]mark) {
	for i, name := range []string{p.Certificate, p.Key} {
		if st, err := os.Stat(name); err == nil { // follows links, which tools put in place anew
			m[i] = mark{st.Size(), st.ModTime()}
		}
	}
	return m
}

// load reads a pair of files and checks that they belong together.
func load(p Pair) (*loaded, error) {
	l := &loaded{pair: p, marks: marksOf(p)}
	cert, err := tls.LoadX509KeyPair(p.Certificate, p.Key)
	var path *fs.PathError
	switch {
	case errors.As(err, &path):
		return nil, fmt.Errorf("certificate file %s cannot be read: %w", path.Path, path.Err)
	case err != nil:
		return nil, fmt.Errorf("%s and %s are no certificate with its key: %w", p.Certificate, p.Key, err)
	}
	if cert.Leaf == nil {
		if cert.Leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			return nil, fmt.Errorf("%s: %w", p.Certificate, err)
		}
	}
	if len(cert.Leaf.DNSNames) == 0 && len(cert.Leaf.IPAddresses) == 0 {
		return nil, fmt.Errorf("%s names no host (subject alternative names); browsers accept none without", p.Certificate)
	}
	l.cert = &cert
	return l, nil
}
