package filestorage

import (
	"crypto/rand"
	"encoding/binary"
	"net/url"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/value"
)

// Paths of the two kinds of links (convex-runtime.md §8.2).
const (
	UploadPath = "/api/storage/upload"
	ServePath  = "/api/storage/"
)

// uploadTime is how long an upload link is good for.
const uploadTime = time.Hour

// uploadPurpose binds sealed tokens to uploads.
const uploadPurpose = "upload"

// uploadToken is the length of a token: a time, something random, a namespace.
const uploadToken = 20

// UploadURL makes a link under which files can be uploaded for an hour into a namespace.
func (s *Store) UploadURL(space value.Space) string {
	var b [uploadToken]byte
	binary.BigEndian.PutUint64(b[:8], uint64(time.Now().Add(uploadTime).UnixMilli()))
	binary.BigEndian.PutUint32(b[16:], uint32(space))
	rand.Read(b[8:16]) // never fails; no two links are alike
	return s.CloudURL + UploadPath + "?token=" + url.QueryEscape(s.Sealer.Seal(uploadPurpose, b[:]))
}

// CheckUpload refuses an upload whose token is not of a link that is still good, and
// tells the namespace that the file goes into.
func (s *Store) CheckUpload(token string) (value.Space, error) {
	b, err := s.Sealer.Open(uploadPurpose, token)
	if err != nil || len(b) != uploadToken {
		return 0, apierr.New(apierr.Unauthenticated, "InvalidUploadToken", "The upload link is not one of this deployment. Make one with ctx.storage.generateUploadUrl().")
	}
	if time.Now().UnixMilli() >= int64(binary.BigEndian.Uint64(b)) {
		return 0, apierr.New(apierr.Unauthenticated, "ExpiredUploadToken", "The upload link has expired: it is good for an hour. Make a new one with ctx.storage.generateUploadUrl().")
	}
	return value.Space(binary.BigEndian.Uint32(b[16:])), nil
}

// URL is the address of a file.
func (s *Store) URL(f *File) string { return s.CloudURL + ServePath + f.Key }
