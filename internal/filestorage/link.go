package filestorage

import (
	"crypto/rand"
	"encoding/binary"
	"net/url"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
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

// UploadURL makes a link under which files can be uploaded for an hour.
func (s *Store) UploadURL() string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(time.Now().Add(uploadTime).UnixMilli()))
	rand.Read(b[8:]) // never fails; no two links are alike
	return s.CloudURL + UploadPath + "?token=" + url.QueryEscape(s.Sealer.Seal(uploadPurpose, b[:]))
}

// CheckUpload refuses an upload whose token is not of a link that is still good.
func (s *Store) CheckUpload(token string) error {
	b, err := s.Sealer.Open(uploadPurpose, token)
	if err != nil || len(b) != 16 {
		return apierr.New(apierr.Unauthenticated, "InvalidUploadToken", "The upload link is not one of this deployment. Make one with ctx.storage.generateUploadUrl().")
	}
	if time.Now().UnixMilli() >= int64(binary.BigEndian.Uint64(b)) {
		return apierr.New(apierr.Unauthenticated, "ExpiredUploadToken", "The upload link has expired: it is good for an hour. Make a new one with ctx.storage.generateUploadUrl().")
	}
	return nil
}

// URL is the address of a file.
func (s *Store) URL(f *File) string { return s.CloudURL + ServePath + f.Key }
