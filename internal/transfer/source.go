package transfer

import (
	"encoding/base64"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// source is a service that users come from, as far as its exports differ.
type source struct {
	name     string
	keepsID  bool // ids like ours stay
	external bool // other ids become external ids
	// is tells the service by the plain names of a row; one that every row has.
	is func(f fields) bool
	// prepare puts under the names of others what only this service calls so.
	prepare func(f fields, d *reader) error
}

// has reports whether a row has all these members.
func (f fields) has(names ...string) bool {
	for _, n := range names {
		if _, ok := f[n]; !ok {
			return false
		}
	}
	return true
}

// sources are the services, the more particular ones first.
var sources = []*source{
	{name: "auth0", external: true, is: func(f fields) bool {
		_, oid := f["id"].(map[string]any)
		return oid && f.has("email") || f.has("id", "userid") && strings.Contains(scalar(f["userid"]), "|") ||
			strings.Contains(scalar(f["userid"]), "|") || f.has("custompasswordhash")
	}, prepare: auth0},
	{name: "firebase", external: true, is: func(f fields) bool { return f.has("localid") }, prepare: firebase},
	{name: "supabase", external: true, is: func(f fields) bool { return f.has("encryptedpassword") || f.has("rawusermetadata") }, prepare: supabase},
	{name: "clerk", external: true, is: func(f fields) bool {
		return f.has("emailaddresses") || f.has("primaryemailaddress") || f.has("passwordhasher") || f.has("passworddigest")
	}, prepare: clerk},
	{name: "cognito", external: true, is: func(f fields) bool { return f.has("cognitousername") || f.has("username", "attributes") }, prepare: cognito},
	{name: "workos", keepsID: true, is: func(f fields) bool {
		return scalar(f["object"]) == "user" || strings.HasPrefix(scalar(f["id"]), "user_")
	}},
	{name: "generic", keepsID: true, external: true, is: func(fields) bool { return true }},
}

// Sources are the names of the services whose exports are understood.
func Sources() []string {
	var out []string
	for _, s := range sources {
		out = append(out, s.name)
	}
	return out
}

// sourceOf tells where a file comes from; name is what its owner says, or "".
func sourceOf(name string, first fields, columns []string) (*source, error) {
	f := flat(first)
	for _, c := range columns {
		if n := plain(c); f[n] == nil {
			f[n] = ""
		}
	}
	for _, s := range sources {
		if name == s.name || name == "" && s.is(f) {
			return s, nil
		}
	}
	return nil, fmt.Errorf("there is no source %.40q; it is one of %s", name, strings.Join(Sources(), ", "))
}

// auth0 reads lines of its exports, with or without hashes.
// https://auth0.com/docs/manage-users/user-migration/bulk-user-exports
func auth0(f fields, _ *reader) error {
	if o, ok := f["id"].(map[string]any); ok {
		f["id"] = "auth0|" + scalar(o["$oid"])
	}
	if s := scalar(f["userid"]); s != "" {
		f["id"] = s
	}
	if o, ok := f["custompasswordhash"].(map[string]any); ok {
		f["passwordhashtype"] = strings.ToLower(scalar(o["algorithm"]))
		if h, ok := o["hash"].(map[string]any); ok {
			f["passwordhash"] = scalar(h["value"])
		}
	}
	if o, ok := f["usermetadata"].(map[string]any); ok && f["metadata"] == nil {
		f["metadata"] = o
	}
	return nil
}

// Firebase are the parameters of a project's password hashes, from the page with its
// users.
type Firebase struct {
	SignerKey     string `json:"signer_key"`
	SaltSeparator string `json:"salt_separator"`
	Rounds        int    `json:"rounds"`
	MemCost       int    `json:"mem_cost"`
}

// parameter finds the parameters in JSON or in the text that the page shows.
var parameter = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)"?(?:base64_?)?(signer_?key|salt_?separator|rounds|mem_?cost|memory_?cost)"?\s*[:=]\s*"?([^\s",}]+)`)
})

// ParseFirebase reads parameters as the project's page shows them, or as JSON.
func ParseFirebase(text string) (p Firebase, err error) {
	for _, m := range parameter().FindAllStringSubmatch(text, -1) {
		switch strings.ReplaceAll(strings.ToLower(m[1]), "_", "") {
		case "signerkey":
			p.SignerKey = m[2]
		case "saltseparator":
			p.SaltSeparator = m[2]
		case "rounds":
			p.Rounds, _ = strconv.Atoi(m[2])
		case "memcost", "memorycost":
			p.MemCost, _ = strconv.Atoi(m[2])
		}
	}
	return p, p.check()
}

// check says what is missing of the parameters.
func (p Firebase) check() error {
	if p.SignerKey == "" || p.SaltSeparator == "" || p.Rounds < 1 || p.MemCost < 1 {
		return fmt.Errorf("the parameters of the hashes need a signer key, a salt separator, rounds and a memory cost; the project's page with its users shows them under \"Password hash parameters\"")
	}
	return nil
}

// text is a hash of the project in the form that stands for itself.
func (p Firebase) text(hash, salt string) string {
	return fmt.Sprintf("$firebase-scrypt$hash=%s$salt=%s$sk=%s$ss=%s$r=%d$m=%d", hash, salt, p.SignerKey, p.SaltSeparator, p.Rounds, p.MemCost)
}

// firebaseColumns is how many columns the CSV of firebase auth:export has at least,
// and firebaseHeader those of interest (https://firebase.google.com/docs/cli/auth).
const firebaseColumns = 20

// firebaseHeader names the columns; the others are of providers.
var firebaseHeader = append([]string{"localId", "email", "emailVerified", "passwordHash", "salt", "displayName", "photoUrl"},
	slices.Repeat([]string{"_"}, 40)...)

// firebase reads users of firebase auth:export.
func firebase(f fields, d *reader) error {
	if hash := scalar(f["passwordhash"]); hash != "" && !strings.HasPrefix(hash, "$") {
		salt := scalar(f["salt"])
		if salt == "" {
			salt = scalar(f["passwordsalt"])
		}
		if err := d.firebase.check(); err != nil {
			return fmt.Errorf("these are users of Firebase with passwords: %w", err)
		}
		f["passwordhash"], f["passwordhashtype"] = d.firebase.text(hash, salt), "firebase-scrypt"
	}
	if o := attributes(f["customattributes"]); o != nil && f["metadata"] == nil {
		f["metadata"] = o
	}
	return nil
}

// attributes is an object, or one that is written as text.
func attributes(v any) map[string]any {
	if text, ok := v.(string); ok {
		o, err := object([]byte(text))
		if err != nil {
			return nil
		}
		return o
	}
	o, _ := v.(map[string]any)
	return o
}

// supabase reads rows of auth.users.
func supabase(f fields, _ *reader) error {
	o := attributes(f["rawusermetadata"])
	if o == nil {
		o = attributes(f["usermetadata"])
	}
	for name, v := range flat(o) {
		if slices.Contains([]string{"name", "fullname", "firstname", "lastname", "avatarurl", "picture", "givenname", "familyname"}, name) && f[name] == nil {
			f[name] = v
		}
	}
	return nil
}

// clerk reads the CSV of its dashboard and the JSON of its API.
func clerk(f fields, _ *reader) error {
	if list, ok := f["emailaddresses"].([]any); ok && f["email"] == nil {
		primary := scalar(f["primaryemailaddressid"])
		for i, e := range list {
			o, _ := e.(map[string]any)
			if i > 0 && scalar(o["id"]) != primary {
				continue
			}
			f["email"] = scalar(o["email_address"])
			if v, ok := o["verification"].(map[string]any); ok {
				f["emailverified"] = fmt.Sprint(scalar(v["status"]) == "verified")
			}
		}
	}
	if list := scalar(f["verifiedemailaddresses"]); list != "" && f["emailverified"] == nil {
		in := strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(", ;|[]\"", r) })
		f["emailverified"] = fmt.Sprint(slices.Contains(in, scalar(f["primaryemailaddress"])))
	}
	if o := attributes(f["publicmetadata"]); len(o) > 0 && f["metadata"] == nil {
		f["metadata"] = o
	}
	return nil
}

// cognito reads the list of its API and its CSV; neither has hashes.
func cognito(f fields, _ *reader) error {
	list, _ := f["attributes"].([]any)
	for _, e := range list {
		if o, ok := e.(map[string]any); ok {
			f[plain(scalar(o["Name"]))] = o["Value"]
		}
	}
	if f["sub"] == nil && f["id"] == nil {
		if f["sub"] = f["cognitousername"]; f["sub"] == nil {
			f["sub"] = f["username"]
		}
	}
	return nil
}

// hashNames are what services call the kinds of hashes.
var hashNames = map[string]string{
	"bcrypt": "bcrypt", "argon2": "argon2", "argon2i": "argon2", "argon2id": "argon2", "scrypt": "scrypt", "pbkdf2": "pbkdf2", "pbkdf2sha256": "pbkdf2",
	"pbkdf2sha512": "pbkdf2", "pbkdf2sha1": "pbkdf2", "pbkdf2sha256django": "pbkdf2", "firebasescrypt": "firebase-scrypt", "scryptfirebase": "firebase-scrypt",
	"ssha": "ssha", "ssha256": "ssha256",
}

// beginnings tell the kind of a hash that says so itself.
var beginnings = map[string]string{
	"$2a$": "bcrypt", "$2b$": "bcrypt", "$2y$": "bcrypt", "$argon2": "argon2", "$scrypt$": "scrypt", "$pbkdf2": "pbkdf2", "$firebase-scrypt$": "firebase-scrypt",
	"{SSHA}": "ssha", "{SSHA256}": "ssha256", "argon2$argon2": "argon2", "pbkdf2_sha": "pbkdf2",
}

// foreignForm finds the kind of a hash and brings it into the form that is read here.
func foreignForm(kind, text string) (string, string, error) {
	k, known := hashNames[plain(kind)]
	if kind == "" {
		for _, b := range slices.Sorted(maps.Keys(beginnings)) {
			if strings.HasPrefix(text, b) {
				k, known = beginnings[b], true
			}
		}
	}
	if !known {
		say := "what kind of hash this is cannot be told; add a column password_hash_type with bcrypt, scrypt, firebase-scrypt, argon2, pbkdf2, ssha or ssha256"
		if kind != "" {
			say = fmt.Sprintf("hashes of kind %.40q cannot be checked here; leave the hash out to import the user without a password", kind)
		}
		return "", "", rowFault{"password_hash_type", "invalid_password_hash_type", say}
	}
	parts := strings.Split(text, "$")
	switch {
	case k == "argon2": // Django's begins with a name of its own
		text = strings.TrimPrefix(text, "argon2")
	case k == "pbkdf2" && len(parts) == 4 && strings.HasPrefix(parts[0], "pbkdf2_"): // Django: pbkdf2_sha256$passes$salt$sum
		text = fmt.Sprintf("$pbkdf2-%s$i=%s$%s$%s", strings.TrimPrefix(parts[0], "pbkdf2_"), parts[1], base64.RawStdEncoding.EncodeToString([]byte(parts[2])), parts[3])
	case k == "firebase-scrypt" && len(parts) == 6 && parts[0] != "": // Clerk: sum$salt$signer$separator$rounds$memory
		rounds, _ := strconv.Atoi(parts[4])
		memory, _ := strconv.Atoi(parts[5])
		text = Firebase{SignerKey: parts[2], SaltSeparator: parts[3], Rounds: rounds, MemCost: memory}.text(parts[0], parts[1])
	}
	return k, text, nil
}
