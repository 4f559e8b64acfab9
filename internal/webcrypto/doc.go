// Package webcrypto computes what SubtleCrypto offers to user code (W3C Web
// Cryptography API, level 2): digests, signatures, ciphers, key derivation, and
// keys in their formats.
//
// It owns the algorithms and the encodings of keys. It refuses to know
// JavaScript, usages, extractability and promises: those are the shims' of
// isolate, which ask for one operation at a time. Every call is a pure function
// of its arguments, but for [Service.Random].
//
// Secrets come and go as bytes: raw for symmetric keys, PKCS #8 for private
// keys, SubjectPublicKeyInfo for public ones. What a call can cost is bounded
// (maxDerivation, maxModulus), because it cannot be interrupted.
package webcrypto
