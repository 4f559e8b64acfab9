package depot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// partSize is how much of an object is in memory on its way. Objects of up to one
// part go in one request; S3 allows 10,000 parts, which is 80 GB.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
const partSize = 8 << 20

// Deadlines of talking to storage. Whole objects have none, as they may be large;
// a connection on which nothing moves for silence is given up.
const (
	dialTime   = 10 * time.Second
	answerTime = time.Minute
	silence    = time.Minute
)

// tries is how often one request is made; whoever backs up tries again as a whole.
const tries = 3

// S3 is a place in a bucket, below a prefix.
type S3 struct {
	client         *minio.Client
	core           minio.Core
	bucket, prefix string
	endpoint       string
}

// openS3 understands s3://bucket/prefix?endpoint=…&region=…&path-style=true.
func openS3(address string, getenv func(string) string) (*S3, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "s3" || u.Host == "" || u.User != nil {
		return nil, fmt.Errorf("the address of a bucket looks like s3://bucket/prefix?endpoint=https://s3.example.com&region=eu-central-1; keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	q := u.Query()
	for name := range q {
		switch name {
		case "endpoint", "region", "path-style":
		default:
			return nil, fmt.Errorf("%s: there is no setting %q; endpoint, region and path-style are", u.Redacted(), name)
		}
	}
	s := &S3{bucket: u.Host, prefix: strings.Trim(u.Path, "/")}
	if s.prefix != "" {
		if err := checkName(s.prefix); err != nil {
			return nil, err
		}
		s.prefix += "/"
	}
	s.endpoint = first(q.Get("endpoint"), getenv("AWS_ENDPOINT_URL_S3"), getenv("AWS_ENDPOINT_URL"), "https://s3.amazonaws.com")
	if !strings.Contains(s.endpoint, "://") {
		s.endpoint = "https://" + s.endpoint
	}
	e, err := url.Parse(s.endpoint)
	if err != nil || e.Host == "" || e.Scheme != "https" && e.Scheme != "http" || strings.Trim(e.Path, "/") != "" {
		return nil, fmt.Errorf("the endpoint %q of %s does not look like https://s3.example.com", s.endpoint, u.Host)
	}
	o := &minio.Options{
		Creds:      credentials.NewChainCredentials(providers(getenv)),
		Secure:     e.Scheme == "https",
		Transport:  transport(),
		Region:     first(q.Get("region"), getenv("AWS_REGION"), getenv("AWS_DEFAULT_REGION"), "us-east-1"),
		MaxRetries: tries,
	}
	if q.Get("path-style") == "true" {
		o.BucketLookup = minio.BucketLookupPath
	}
	if s.client, err = minio.New(e.Host, o); err != nil {
		return nil, fmt.Errorf("%s: %w", s, err)
	}
	s.core = minio.Core{Client: s.client}
	return s, nil
}

// first is the first that is not empty.
func first(of ...string) string {
	for _, s := range of {
		if s != "" {
			return s
		}
	}
	return ""
}

// providers are where credentials are looked for: variables, then the file that the
// vendor's tools share.
func providers(getenv func(string) string) []credentials.Provider {
	list := []credentials.Provider{&credentials.Static{Value: credentials.Value{
		AccessKeyID: getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: getenv("AWS_SESSION_TOKEN"),
		SignerType: credentials.SignatureV4,
	}}}
	file := getenv("AWS_SHARED_CREDENTIALS_FILE")
	if home := getenv("HOME"); file == "" && home != "" {
		file = home + "/.aws/credentials"
	}
	if file != "" {
		list = append(list, &credentials.FileAWSCredentials{Filename: file, Profile: first(getenv("AWS_PROFILE"), "default")})
	}
	return list
}

// transport gives up on what does not move.
func transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	dial := &net.Dialer{Timeout: dialTime}
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &lively{c}, nil
	}
	t.ResponseHeaderTimeout = answerTime
	t.DisableCompression = true
	return t
}

// lively is a connection that fails when nothing moves for long.
type lively struct{ net.Conn }

// Read is part of net.Conn.
func (c *lively) Read(p []byte) (int, error) {
	_ = c.Conn.SetReadDeadline(time.Now().Add(silence))
	return c.Conn.Read(p)
}

// Write is part of net.Conn.
func (c *lively) Write(p []byte) (int, error) {
	_ = c.Conn.SetWriteDeadline(time.Now().Add(silence))
	return c.Conn.Write(p)
}

// String is the address without its settings.
func (s *S3) String() string {
	return strings.TrimRight("s3://"+s.bucket+"/"+s.prefix, "/")
}

// explain turns what storage answers into a line for a person.
func (s *S3) explain(err error) error {
	var answer minio.ErrorResponse
	var refused net.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &answer):
		switch answer.Code {
		case minio.NoSuchBucket:
			return fmt.Errorf("%s has no bucket %q: make it, or correct the name: %w", s.endpoint, s.bucket, ErrNoBucket)
		case minio.NoSuchKey:
			return ErrNotFound
		case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", minio.AccessDenied, "Forbidden", "AuthorizationHeaderMalformed":
			return fmt.Errorf("%s refuses the credentials for %s (%s): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, to keys that may read, write, list and delete there: %w", s.endpoint, s, answer.Code, ErrCredentials)
		}
		if answer.StatusCode != 0 {
			return fmt.Errorf("%s answers %d %s for %s: %s", s.endpoint, answer.StatusCode, answer.Code, s, answer.Message)
		}
	case errors.As(err, &refused):
		return fmt.Errorf("%s does not answer; is the endpoint right? %w (%v)", s.endpoint, ErrUnreachable, rootCause(err))
	}
	return fmt.Errorf("%s: %w", s, err)
}

// rootCause is the innermost error.
func rootCause(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// Put is part of Depot. An object of more than a part goes up in parts, and is there
// only when all have come; an upload that is broken off is aborted.
func (s *S3) Put(ctx context.Context, name string, r io.Reader) (int64, error) {
	if err := checkName(name); err != nil {
		return 0, err
	}
	buf := make([]byte, partSize)
	n, err := io.ReadFull(r, buf)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return s.whole(ctx, name, buf[:n])
	case err != nil:
		return 0, err
	}
	return s.parts(ctx, name, buf, r)
}

// options are those of every object.
func options() minio.PutObjectOptions {
	return minio.PutObjectOptions{ContentType: "application/octet-stream", SendContentMd5: true, DisableMultipart: true}
}

// whole puts a small object.
func (s *S3) whole(ctx context.Context, name string, b []byte) (int64, error) {
	if _, err := s.client.PutObject(ctx, s.bucket, s.prefix+name, bytes.NewReader(b), int64(len(b)), options()); err != nil {
		return 0, s.explain(err)
	}
	return int64(len(b)), nil
}

// checked has storage check a part against its SHA-256, which is signed.
func checked(b []byte) minio.PutObjectPartOptions {
	sum := sha256.Sum256(b)
	return minio.PutObjectPartOptions{Sha256Hex: hex.EncodeToString(sum[:]), DisableContentSha256: true}
}

// parts puts a large object, one part after the other; buf holds the first.
func (s *S3) parts(ctx context.Context, name string, buf []byte, r io.Reader) (size int64, err error) {
	key := s.prefix + name
	id, err := s.core.NewMultipartUpload(ctx, s.bucket, key, options())
	if err != nil {
		return 0, s.explain(err)
	}
	defer func() {
		if err != nil { // what has come already would be paid for
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
			defer cancel()
			_ = s.core.AbortMultipartUpload(end, s.bucket, key, id)
		}
	}()
	var done []minio.CompletePart
	for n := len(buf); n > 0; {
		part, err := s.core.PutObjectPart(ctx, s.bucket, key, id, len(done)+1, bytes.NewReader(buf[:n]), int64(n), checked(buf[:n]))
		if err != nil {
			return 0, s.explain(err)
		}
		done = append(done, minio.CompletePart{PartNumber: part.PartNumber, ETag: part.ETag})
		size += int64(n)
		n, err = io.ReadFull(r, buf)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, err
		}
	}
	if _, err := s.core.CompleteMultipartUpload(ctx, s.bucket, key, id, done, options()); err != nil {
		return 0, s.explain(err)
	}
	return size, nil
}

// Open is part of Depot.
func (s *S3) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	r, _, _, err := s.core.GetObject(ctx, s.bucket, s.prefix+name, minio.GetObjectOptions{})
	if err != nil {
		if err = s.explain(err); errors.Is(err, ErrNotFound) {
			return nil, fmt.Errorf("%s: %s: %w", s, name, ErrNotFound)
		}
		return nil, err
	}
	return r, nil
}

// List is part of Depot.
func (s *S3) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel() // ends the list's own goroutine
		for o := range s.client.ListObjects(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix + prefix, Recursive: true}) {
			if o.Err != nil {
				yield(Info{}, s.explain(o.Err))
				return
			}
			name := strings.TrimPrefix(o.Key, s.prefix)
			if checkName(name) != nil {
				continue // somebody else's
			}
			if !yield(Info{name, o.Size}, nil) {
				return
			}
		}
		if ctx.Err() != nil {
			yield(Info{}, context.Cause(ctx))
		}
	}
}

// Delete is part of Depot.
func (s *S3) Delete(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if err := s.explain(s.client.RemoveObject(ctx, s.bucket, s.prefix+name, minio.RemoveObjectOptions{})); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return nil
}
