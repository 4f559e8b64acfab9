package convexsync_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/wire/convexsync"
)

// upgrader hands out one side of a pipe, so that a whole socket lives in a
// synctest bubble.
type upgrader struct {
	http.ResponseWriter
	conn   net.Conn
	header http.Header
}

func (u *upgrader) Header() http.Header { return u.header }
func (u *upgrader) WriteHeader(int)     {}
func (u *upgrader) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return u.conn, bufio.NewReadWriter(bufio.NewReader(u.conn), bufio.NewWriter(u.conn)), nil
}

// pipe connects a raw client to a server within a bubble; ended is closed when
// the server has let go of the socket.
func pipe(s *convexsync.Server) (client net.Conn, ended chan struct{}) {
	client, server := net.Pipe()
	r, _ := http.NewRequest("GET", "http://h/api/1.48.0/sync", nil)
	r.SetPathValue("version", "1.48.0")
	for k, v := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
		r.Header.Set(k, v)
	}
	s.ServeHTTP(&upgrader{conn: server, header: http.Header{}}, r)
	ended = make(chan struct{})
	go func() {
		defer close(ended)
		for s.Connections() > 0 {
			time.Sleep(time.Second)
		}
	}()
	return client, ended
}

// frames reads frames of a server (unmasked, short) and notes when what came.
func frames(client net.Conn, began time.Time, pong bool) (seen func() []string) {
	var mu sync.Mutex
	var list []string
	note := func(s string) {
		mu.Lock()
		defer mu.Unlock()
		list = append(list, s)
	}
	go func() {
		br := bufio.NewReader(client)
		for {
			h := make([]byte, 2)
			if _, err := readFull(br, h); err != nil {
				return
			}
			body := make([]byte, h[1]&0x7f)
			if _, err := readFull(br, body); err != nil {
				return
			}
			at := time.Since(began).Round(time.Second).String()
			switch h[0] & 0xf {
			case 1:
				note(at + " " + string(body))
			case 9:
				note(at + " ping")
				if pong {
					client.Write(append([]byte{0x8a, 0x80 | byte(len(body)), 0, 0, 0, 0}, body...))
				}
			}
		}
	}()
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(list)
	}
}

// readFull fills b.
func readFull(r *bufio.Reader, b []byte) (int, error) {
	for n := 0; n < len(b); {
		m, err := r.Read(b[n:])
		if n += m; err != nil {
			return n, err
		}
	}
	return len(b), nil
}

func TestServerPingsAQuietClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, ended := pipe(&convexsync.Server{})
		seen := frames(client, time.Now(), true)
		time.Sleep(31*time.Second + 500*time.Millisecond)
		synctest.Wait()
		pings, frames := 0, 0
		for _, f := range seen() {
			switch at, what, _ := strings.Cut(f, " "); what {
			case "ping":
				frames++
			case `{"type":"Ping"}`:
				if pings++; at != "15s" && at != "30s" {
					t.Errorf("Ping at %s", at)
				}
			}
		}
		if pings != 2 || frames != 6 {
			t.Errorf("in 31 s: %v", seen())
		}
		time.Sleep(5 * time.Minute)
		select {
		case <-ended:
			t.Error("a client that answers pings is dropped")
		default:
		}
		client.Close()
		<-ended
	})
}

func TestServerDropsADeadClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, ended := pipe(&convexsync.Server{})
		began := time.Now()
		frames(client, began, false)
		<-ended
		if d := time.Since(began); d < 120*time.Second || d > 130*time.Second {
			t.Errorf("dropped after %v", d)
		}
	})
}

func TestServerDropsAClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, ended := pipe(&convexsync.Server{})
		began := time.Now()
		<-ended // the pipe buffers nothing, so the first message blocks
		if d := time.Since(began); d > 130*time.Second {
			t.Errorf("dropped after %v", d)
		}
	})
}

func TestServerSkipsStatesForASlowClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		db, err := database.Open(ctx, database.Options{Store: persistence.NewMemory()})
		if err != nil {
			t.Fatal(err)
		}
		stopped := make(chan struct{})
		go func() { defer close(stopped); db.Run(ctx) }()
		f := &functions{db: db, cache: map[string]*udf.Outcome{}}
		client, ended := pipe(&convexsync.Server{Runner: f, DB: db})
		for _, m := range []string{`{"type":"Connect","sessionId":"` + session + `"}`, add(0, 0, "list", "m")} {
			head := []byte{0x81, 0x80 | byte(min(len(m), 126))}
			if len(m) > 125 {
				head = append(head, byte(len(m)>>8), byte(len(m)))
			}
			client.Write(append(append(head, 0, 0, 0, 0), m...))
		}
		for range 50 { // the pipe holds nothing: all this time one message is being written
			if _, err := f.Mutation(ctx, udf.Request{Args: []byte(`[{"table":"m"}]`)}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		read := make(chan string)
		go func() {
			defer close(read)
			br := bufio.NewReader(client)
			for {
				h := make([]byte, 4)
				if _, err := readFull(br, h[:2]); err != nil {
					return
				}
				n := int(h[1])
				if n == 126 {
					readFull(br, h[2:])
					n = int(h[2])<<8 | int(h[3])
				}
				b := make([]byte, n)
				readFull(br, b)
				if h[0]&0xf == 1 {
					read <- string(b)
				}
			}
		}()
		got := 0
		for m := range read {
			if got++; strings.Contains(m, `"value":50`) {
				break
			}
		}
		if got > 4 {
			t.Errorf("%d transitions for a client that was away", got)
		}
		client.Close()
		for range read {
		}
		<-ended
		cancel()
		<-stopped
		db.Close()
	})
}

func TestServerSaysGoodbye(t *testing.T) {
	t.Parallel()
	s := &convexsync.Server{}
	mux := http.NewServeMux()
	s.Mount(mux)
	srv := httptest.NewServer(mux)
	defer srv.Close()
	conn, _, err := websocket.Dial(t.Context(), srv.URL+"/api/1.48.0/sync", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	go s.Wait(t.Context())
	if _, _, err = conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("closed with %v", err)
	}
	s.Wait(t.Context())
	if n := s.Connections(); n != 0 {
		t.Errorf("%d sockets are left", n)
	}
	if _, res, err := websocket.Dial(t.Context(), srv.URL+"/api/1.48.0/sync", nil); err == nil || res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a socket is taken after the end: %v", err)
	}
}
