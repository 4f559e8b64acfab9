package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"sync"
)

// Memory is a Store for tests and for deployments that are meant to vanish.
type Memory struct {
	mu   sync.RWMutex // guards data; the byte slices in it are never written again
	data map[string][]byte
}

// NewMemory makes an empty store.
func NewMemory() *Memory { return &Memory{data: map[string][]byte{}} }

// Put implements Store.
func (m *Memory) Put(ctx context.Context, key string, r io.Reader) (int64, Sum, error) {
	if err := checkKey(key); err != nil {
		return 0, Sum{}, err
	}
	b, err := io.ReadAll(ctxReader{ctx, r})
	if err != nil {
		return 0, Sum{}, fmt.Errorf("blob: put %s: %w", key, err)
	}
	m.mu.Lock()
	m.data[key] = b
	m.mu.Unlock()
	return int64(len(b)), sha256.Sum256(b), nil
}

// Get implements Store.
func (m *Memory) Get(_ context.Context, key string) ([]byte, error) {
	b, err := m.get(key)
	if err != nil {
		return nil, err
	}
	return bytes.Clone(b), nil
}

// Open implements Store.
func (m *Memory) Open(_ context.Context, key string, offset int64) (io.ReadCloser, error) {
	b, err := m.get(key)
	if err != nil {
		return nil, err
	}
	offset = min(max(offset, 0), int64(len(b)))
	return io.NopCloser(bytes.NewReader(b[offset:])), nil
}

// Delete implements Store.
func (m *Memory) Delete(_ context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	m.mu.Lock()
	delete(m.data, key)
	m.mu.Unlock()
	return nil
}

// Has implements Store.
func (m *Memory) Has(_ context.Context, key string) (bool, error) {
	if err := checkKey(key); err != nil {
		return false, err
	}
	m.mu.RLock()
	_, ok := m.data[key]
	m.mu.RUnlock()
	return ok, nil
}

// get finds the stored slice, which the caller must not change.
func (m *Memory) get(key string) ([]byte, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	m.mu.RLock()
	b, ok := m.data[key]
	m.mu.RUnlock()
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, key)
	}
	return b, nil
}
