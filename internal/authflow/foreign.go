package authflow

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"hash"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/scrypt"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// Users who come from elsewhere bring hashes of their passwords as they were made
// there. They are kept in the texts below until the first sign-in, which makes one
// of our own of the password:
//
//	$2b$10$…                                            bcrypt, also 2a and 2y
//	$argon2i$v=19$m=…,t=…,p=…$salt$hash                 argon2i, or argon2id of another shape than ours
//	$scrypt$ln=14,r=8,p=1$salt$hash                     scrypt; n=16384 stands for ln=14
//	$firebase-scrypt$hash=…$salt=…$sk=…$ss=…$r=8$m=14   Firebase's own scrypt
//	$pbkdf2-sha256$i=…,l=32$salt$hash                   also sha1 and sha512, and d=sha256 among the costs
//	{SSHA}base64(digest salt)                           SHA-1 of password and salt; {SSHA256} likewise
//	{SSHA;prefix}…                                      of salt and password
//
// Sources: https://workos.com/docs/migrate/firebase and /other-services, the PHC
// string format, RFC 2307 for the last.

// Bounds of what a foreign hash may ask for: a second or so of one processor, and
// no more memory than one of our own may.
const (
	maxForeign      = 2048 // bytes of text
	maxBcryptCost   = 14
	maxPBKDF2       = 2_000_000
	maxScryptMemory = 256 << 20
	maxScryptLanes  = 16
	maxScryptWork   = 1 << 24 // N·r·p
	maxSalt         = 256
)

// The prefixes of salted digests.
const (
	ssha         = "{SSHA}"
	sshaPrefix   = "{SSHA;prefix}"
	ssha256      = "{SSHA256}"
	sshaPrefix56 = "{SSHA256;prefix}"
)

// ForeignHash reads a hash that comes with a user: kind and position are those of
// the API's password_hash_type and password_salt_position. The result is a hash
// that Verify understands.
func ForeignHash(kind, text, position string) (string, error) {
	refuse := func(format string, args ...any) (string, error) {
		return "", apierr.New(apierr.BadRequest, "invalid_password_hash", format, args...)
	}
	begins := map[string][]string{
		"bcrypt": {"$2a$", "$2b$", "$2y$"}, "firebase-scrypt": {"$firebase-scrypt$"}, "scrypt": {"$scrypt$"}, "pbkdf2": {"$pbkdf2"},
		"argon2": {"$argon2"}, "ssha": nil, "ssha256": nil,
	}
	prefixes, known := begins[kind]
	switch {
	case !known:
		return refuse("password_hash_type is one of bcrypt, firebase-scrypt, ssha, ssha256, scrypt, pbkdf2 and argon2; %.40q is none.", kind)
	case position != "" && position != "prefix" && position != "suffix":
		return refuse("password_salt_position is prefix or suffix.")
	case position == "prefix" && prefixes != nil:
		return refuse("password_salt_position goes with the types ssha and ssha256 only.")
	case len(text) > maxForeign:
		return refuse("The password hash is too long.")
	}
	switch kind {
	case "ssha", "ssha256":
		tag := map[string]string{"ssha": ssha, "ssha256": ssha256, "sshaprefix": sshaPrefix, "ssha256prefix": sshaPrefix56}[kind+strings.TrimSuffix(position, "suffix")]
		text = tag + text[strings.IndexByte(text, '}')+1:]
	default:
		fits := false
		for _, p := range prefixes {
			fits = fits || strings.HasPrefix(text, p)
		}
		if !fits {
			return refuse("A hash of type %s begins with %s.", kind, strings.Join(prefixes, " or "))
		}
	}
	if _, ok := parseForeign(text); !ok {
		if _, ok := parsePHC(text); !ok {
			return refuse("The password hash is not one of type %s, or costs more than is allowed to check.", kind)
		}
	}
	return text, nil
}

// foreign checks a password against a hash from elsewhere.
type foreign func(password []byte) bool

// parseForeign reads a hash from elsewhere.
func parseForeign(text string) (foreign, bool) {
	if len(text) > maxForeign {
		return nil, false
	}
	for tag, digest := range map[string]struct {
		make   func() hash.Hash
		prefix bool
	}{ssha: {sha1.New, false}, sshaPrefix: {sha1.New, true}, ssha256: {sha256.New, false}, sshaPrefix56: {sha256.New, true}} {
		if rest, ok := strings.CutPrefix(text, tag); ok {
			return salted(rest, digest.make, digest.prefix)
		}
	}
	if strings.HasPrefix(text, "$2") {
		cost, err := bcrypt.Cost([]byte(text))
		if err != nil || cost > maxBcryptCost {
			return nil, false
		}
		return func(password []byte) bool {
			// Bytes after the 72nd never counted there, so they do not count here.
			return bcrypt.CompareHashAndPassword([]byte(text), password[:min(72, len(password))]) == nil
		}, true
	}
	p, ok := parseParts(text)
	if !ok {
		return nil, false
	}
	switch {
	case p.name == "scrypt":
		return p.scrypt()
	case p.name == "firebase-scrypt":
		return p.firebase()
	case p.name == "argon2i" || p.name == "argon2id":
		return p.argon()
	case strings.HasPrefix(p.name, "pbkdf2"):
		return p.pbkdf2()
	}
	return nil, false
}

// salted reads base64 of a digest and its salt.
func salted(text string, digest func() hash.Hash, prefix bool) (foreign, bool) {
	b, ok := base64Any(text)
	n := digest().Size()
	if !ok || len(b) < n || len(b) > n+maxSalt {
		return nil, false
	}
	sum, salt := b[:n], b[n:]
	return func(password []byte) bool {
		h := digest()
		if prefix {
			h.Write(salt)
		}
		h.Write(password)
		if !prefix {
			h.Write(salt)
		}
		return subtle.ConstantTimeCompare(h.Sum(nil), sum) == 1
	}, true
}

// parts is a hash in a PHC-like form: a name, costs and other settings by name, and
// what has no name, salt and sum.
type parts struct {
	name  string
	named map[string]string
	plain []string
}

// parseParts takes "$name$a=1,b=2$c=3$salt$sum" apart.
func parseParts(text string) (p parts, ok bool) {
	fields := strings.Split(text, "$")
	if len(fields) < 3 || fields[0] != "" {
		return p, false
	}
	p.name, p.named = fields[1], map[string]string{}
	for _, f := range fields[2:] {
		// base64 has no "=" but at its end, so a name is what stands before one.
		if i := strings.IndexByte(f, '='); i > 0 && i < len(f)-1 && strings.Trim(f[i:], "=") != "" {
			for one := range strings.SplitSeq(f, ",") {
				name, value, named := strings.Cut(one, "=")
				if !named {
					return p, false
				}
				p.named[name] = value
			}
			continue
		}
		p.plain = append(p.plain, f)
	}
	return p, true
}

// number is a named cost between 1 and most; 0 if there is none such.
func (p parts) number(most uint64, names ...string) uint64 {
	for _, name := range names {
		if n, err := strconv.ParseUint(p.named[name], 10, 32); err == nil && n >= 1 && n <= most {
			return n
		}
	}
	return 0
}

// saltAndSum are the two parts without a name.
func (p parts) saltAndSum() (salt, sum []byte, ok bool) {
	if len(p.plain) != 2 {
		return nil, nil, false
	}
	salt, ok1 := base64Any(p.plain[0])
	sum, ok2 := base64Any(p.plain[1])
	return salt, sum, ok1 && ok2 && len(salt) <= maxSalt && len(sum) >= 16 && len(sum) <= 128
}

// matches makes a check of a derived key.
func matches(sum []byte, derive func(password []byte) ([]byte, error)) (foreign, bool) {
	return func(password []byte) bool {
		got, err := derive(password)
		return err == nil && subtle.ConstantTimeCompare(got, sum) == 1
	}, true
}

// scryptCosts are N, r and p within what is allowed; n is 0 if they are not.
func scryptCosts(n, r, lanes uint64) (int, int, int) {
	if n < 2 || n&(n-1) != 0 || r == 0 || lanes == 0 || 128*n*r > maxScryptMemory || n*r*lanes > maxScryptWork {
		return 0, 0, 0
	}
	return int(n), int(r), int(lanes)
}

// scrypt is RFC 7914's.
func (p parts) scrypt() (foreign, bool) {
	n := p.number(1<<22, "n", "N")
	if ln := p.number(22, "ln"); ln > 0 {
		n = 1 << ln
	}
	cost, r, lanes := scryptCosts(n, p.number(64, "r"), p.number(maxScryptLanes, "p"))
	salt, sum, ok := p.saltAndSum()
	if !ok || cost == 0 {
		return nil, false
	}
	return matches(sum, func(password []byte) ([]byte, error) { return scrypt.Key(password, salt, cost, r, lanes, len(sum)) })
}

// firebase is the scrypt of Firebase: the derived key encrypts the project's own
// (https://github.com/firebase/scrypt).
func (p parts) firebase() (foreign, bool) {
	sum, ok1 := base64Any(p.named["hash"])
	salt, ok2 := base64Any(p.named["salt"])
	signer, ok3 := base64Any(p.named["sk"])
	separator, ok4 := base64Any(p.named["ss"])
	cost, r, lanes := scryptCosts(1<<p.number(22, "m"), p.number(64, "r"), 1)
	if !ok1 || !ok2 || !ok3 || !ok4 || cost == 0 || len(signer) < 16 || len(sum) != len(signer) || len(salt) > maxSalt {
		return nil, false
	}
	return matches(sum, func(password []byte) ([]byte, error) {
		key, err := scrypt.Key(password, bytes.Join([][]byte{salt, separator}, nil), cost, r, lanes, 32)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		out := make([]byte, len(signer))
		cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(out, signer)
		return out, nil
	})
}

// pbkdf2 is RFC 8018's.
func (p parts) pbkdf2() (foreign, bool) {
	digest := strings.ReplaceAll(strings.TrimPrefix(strings.TrimPrefix(p.name, "pbkdf2"), "-"), "-", "")
	if digest == "" {
		digest = strings.ReplaceAll(p.named["d"], "-", "")
	}
	makers := map[string]func() hash.Hash{"sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New, "": sha1.New}
	maker, known := makers[digest]
	passes := p.number(maxPBKDF2, "i", "t", "c")
	if len(p.plain) == 3 { // $pbkdf2-sha256$29000$salt$sum
		if n, err := strconv.ParseUint(p.plain[0], 10, 32); err == nil && n <= maxPBKDF2 {
			passes, p.plain = n, p.plain[1:]
		}
	}
	salt, sum, ok := p.saltAndSum()
	if !known || !ok || passes == 0 {
		return nil, false
	}
	if l := p.number(128, "l"); l != 0 && int(l) != len(sum) {
		return nil, false
	}
	return matches(sum, func(password []byte) ([]byte, error) {
		return pbkdf2.Key(maker, string(password), salt, int(passes), len(sum))
	})
}

// argon is RFC 9106's, of other variants, orders and sizes than our own.
func (p parts) argon() (foreign, bool) {
	memory, passes, lanes := p.number(maxArgonMemory, "m"), p.number(maxArgonPasses, "t"), p.number(maxArgonLanes, "p")
	salt, sum, ok := p.saltAndSum()
	if v := p.named["v"]; !ok || v != strconv.Itoa(argon2.Version) || memory == 0 || passes == 0 || lanes == 0 {
		return nil, false
	}
	key := argon2.IDKey
	if p.name == "argon2i" {
		key = argon2.Key
	}
	return matches(sum, func(password []byte) ([]byte, error) {
		return key(password, salt, uint32(passes), uint32(memory), uint8(lanes), uint32(len(sum))), nil
	})
}

// base64Any reads base64 of either alphabet, with or without padding; "." stands
// for "+" as some write it.
func base64Any(s string) ([]byte, bool) {
	s = strings.NewReplacer("-", "+", "_", "/", ".", "+").Replace(strings.TrimRight(s, "="))
	b, err := base64.RawStdEncoding.DecodeString(s)
	return b, err == nil && len(b) > 0
}
