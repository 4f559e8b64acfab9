package udf

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLogStreamSince(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newLogStream(3)
		add := func(names ...string) {
			for _, n := range names {
				s.add(LogEntry{Identifier: n})
			}
		}
		since := func(cursor int64, wait time.Duration) (names []string, next int64) {
			ctx, cancel := context.WithTimeout(t.Context(), wait)
			defer cancel()
			entries, next, err := s.Since(ctx, cursor)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				names = append(names, e.Identifier)
			}
			return names, next
		}
		if got, next := since(5, time.Second); got != nil || next != 5 {
			t.Errorf("%v, %d from nothing", got, next)
		}
		add("a")
		got, next := since(0, time.Second)
		if !cmp.Equal(got, []string{"a"}) {
			t.Errorf("%v", got)
		}
		go func() {
			time.Sleep(10 * time.Millisecond)
			add("b", "c")
		}()
		got, next = since(next, time.Second)
		if !cmp.Equal(got, []string{"b", "c"}) {
			t.Errorf("%v", got)
		}
		if got, _ := since(next, time.Second); got != nil {
			t.Errorf("%v again", got)
		}
		add("d", "e", "f", "g")
		if got, _ = since(next, time.Second); !cmp.Equal(got, []string{"e", "f", "g"}) {
			t.Errorf("%v from a full ring", got)
		}
	})
}

// TestLogEntryShape pins the members that the official CLI reads.
func TestLogEntryShape(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.push("1", map[string]goFunction{"query m:v": func(c *hostCalls, _ string) (string, error) {
		c.host.Print("WARN", "'careful'")
		return "", thrown{"boom"}
	}})
	if _, err := h.Query(t.Context(), Request{Path: "m:v", RequestID: "r", CallerName: "SyncWorker"}); err != nil {
		t.Fatal(err)
	}
	entries, _, err := h.Logs().Since(t.Context(), 0)
	if err != nil || len(entries) != 1 {
		t.Fatal(entries, err)
	}
	e := entries[0]
	if e.Timestamp == 0 || e.ExecutionTimestamp == 0 || e.LogLines[0].Timestamp == 0 || e.ExecutionID == "" {
		t.Errorf("%+v", e)
	}
	e.Timestamp, e.ExecutionTimestamp, e.ExecutionTime, e.LogLines[0].Timestamp, e.ExecutionID = 1, 2, 3, 4, "x"
	got, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"kind":"Completion","udfType":"Query","componentPath":null,"identifier":"m:v","logLines":[{"messages":["'careful'"],"level":"WARN","timestamp":4,"isTruncated":false}],` +
		`"timestamp":1,"requestId":"r","executionId":"x","cachedResult":false,"caller":"SyncWorker","parentExecutionId":null,"executionTime":3,"success":null,"error":"Uncaught Error: boom",` +
		`"usageStats":{"databaseReadBytes":0,"databaseReadDocuments":0,"databaseWriteBytes":0,"storageReadBytes":0,"storageWriteBytes":0,"vectorIndexReadBytes":0,"vectorIndexWriteBytes":0,"memoryUsedMb":0},` +
		`"returnBytes":null,"occInfo":null,"willRetry":false,"executionTimestamp":2,"identityType":"unknown","environment":"isolate"}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestLogBufferOverflows(t *testing.T) {
	t.Parallel()
	b := newLogBuffer()
	for i := range 400 {
		b.print("LOG", fmt.Sprint(i))
	}
	b.system("TooManyReads", "Many reads")
	lines := b.text()
	if len(lines) != 257 || lines[254] != "[LOG] 254" || !strings.HasPrefix(lines[255], "[ERROR] Log overflow (maximum 256).") || lines[256] != "[WARN] Many reads" {
		t.Errorf("%d lines, %q", len(lines), lines[254:])
	}
}

func TestCacheBounded(t *testing.T) {
	t.Parallel()
	c := newCache(20_000)
	for i := range 100 {
		key := fmt.Sprint(i)
		l := c.look(key, "", nil)
		c.land(l, key, &Outcome{Value: make([]byte, 1000)}, time.Time{}, nil)
	}
	if c.bytes > 20_000 || len(c.entries) < 5 || len(c.entries) != c.order.Len() || len(c.flights) != 0 {
		t.Errorf("%d bytes, %d entries", c.bytes, len(c.entries))
	}
	if l := c.look("99", "", nil); l.out == nil {
		t.Error("the newest is gone")
	}
	l := c.look("big", "", nil)
	c.land(l, "big", &Outcome{Value: make([]byte, 10_000)}, time.Time{}, nil)
	if l := c.look("big", "", nil); l.out != nil {
		t.Error("a result that would push out a quarter of all was kept")
	}
	l = c.look("clock", "", nil)
	c.land(l, "clock", &Outcome{}, time.Now().Add(-time.Second), nil)
	if l := c.look("clock", "", nil); l.out != nil {
		t.Error("an expired result was served")
	}
}
