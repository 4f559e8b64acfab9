package udf

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// heat remembers by what calls clash, so that those who come next queue before
// they run in vain. The name of a row that many write, say of an account, mostly
// stands in the arguments, and then in the interval of an index that the call
// reads: a value that is in both is what the lane is named after, whatever the
// function. Where there is none, as in a counter without arguments, it is the
// function. Guessing wrong costs a wait and no more, for commits are checked all
// the same.
type heat struct {
	mu  sync.Mutex
	hot map[string]*warmth
}

// warmth is how hot a name is.
type warmth struct {
	clashes int       // since it is known
	until   time.Time // when it is forgotten
}

const (
	// heatTime is how long a name stays hot after the last clash, or the last time
	// that two queued for it.
	heatTime = time.Second
	// functionClashes is how often a function must clash within heatTime before its
	// newcomers queue: its calls may well be about different rows.
	functionClashes = 16
	// maxHot bounds what is remembered. Beyond it nothing new is.
	maxHot = 4096
	// maxArgumentNames is how many values of one call's arguments are looked at,
	// and maxArgumentSize how long arguments may be for that.
	maxArgumentNames = 16
	maxArgumentSize  = 16 << 10
	// shortestName is how long a value must be, as shorter ones are in keys by chance.
	shortestName = 3
)

// functionLane is the lane of a function.
func functionLane(function string) string { return "function " + function }

// valueLane is the lane of a value in arguments.
func valueLane(text string) string { return "value " + text }

// lanesFor names the lanes that a newcomer should queue in.
func (h *heat) lanesFor(function string, args []byte, now time.Time) (names []string) {
	h.mu.Lock()
	idle := len(h.hot) == 0
	h.mu.Unlock()
	if idle {
		return nil
	}
	texts := argumentTexts(args)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, text := range texts {
		if name := valueLane(text); h.is(name, 1, now) {
			names = append(names, name)
		}
	}
	if name := functionLane(function); h.is(name, functionClashes, now) {
		names = append(names, name)
	}
	return names
}

// is tells whether a name is hot, and forgets it if it is no longer. mu is held.
func (h *heat) is(name string, clashes int, now time.Time) bool {
	w := h.hot[name]
	if w == nil {
		return false
	}
	if now.After(w.until) {
		delete(h.hot, name)
		return false
	}
	return w.clashes >= clashes
}

// clashed learns from a conflict and names the lanes to wait in.
func (h *heat) clashed(function string, args []byte, c *database.Conflict, now time.Time) (names []string) {
	for _, text := range argumentTexts(args) {
		if slices.ContainsFunc(c.Keys, func(key []byte) bool { return spelledIn(key, text) }) {
			names = append(names, valueLane(text))
		}
	}
	if len(names) == 0 {
		names = []string{functionLane(function)}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range names {
		h.warm(name, now).clashes++
	}
	return names
}

// keep keeps names hot.
func (h *heat) keep(names []string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range names {
		if w := h.hot[name]; w != nil {
			w.until = now.Add(heatTime)
		}
	}
}

// warm is the warmth of a name, which is hot for a while from now on. mu is held.
func (h *heat) warm(name string, now time.Time) *warmth {
	if w := h.hot[name]; w != nil && !now.After(w.until) {
		w.until = now.Add(heatTime)
		return w
	}
	w := &warmth{until: now.Add(heatTime)}
	if len(h.hot) >= maxHot {
		for n, old := range h.hot {
			if now.After(old.until) {
				delete(h.hot, n)
			}
		}
	}
	if len(h.hot) < maxHot {
		if h.hot == nil {
			h.hot = map[string]*warmth{}
		}
		h.hot[name] = w
	}
	return w
}

// spelledIn tells whether a text of the arguments is in a key: as it is, or as the id
// that it spells.
func spelledIn(key []byte, text string) bool {
	if bytes.Contains(key, []byte(text)) {
		return true
	}
	id, err := value.ParseID(text)
	return err == nil && bytes.Contains(key, id.Internal[:])
}

// argumentTexts are the different texts in a call's arguments, in lists and
// objects too.
func argumentTexts(args []byte) (texts []string) {
	if len(args) > maxArgumentSize || !bytes.ContainsRune(args, '"') {
		return nil
	}
	var v any
	if json.Unmarshal(args, &v) != nil {
		return nil
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			if len(v) >= shortestName && len(texts) < maxArgumentNames && !slices.Contains(texts, v) {
				texts = append(texts, strings.Clone(v))
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(v)
	return texts
}
