package authflow_test

import (
	"sync/atomic"
	"testing"

	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/mail"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/token"
)

// benchHouse is a house without a bubble and a number of sessions in it.
func benchHouse(b *testing.B, sessions int) (*authflow.Flow, *identity.Environment, []string) {
	db, err := database.Open(b.Context(), database.Options{Store: persistence.NewMemory()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	ids := &identity.Service{DB: db, Sealer: token.NewSealer([]byte("0123456789abcdef"))}
	flow := &authflow.Flow{Identity: ids, Mail: &mail.Outbox{}}
	if err := ids.Open(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := flow.Open(b.Context()); err != nil {
		b.Fatal(err)
	}
	e, err := ids.CreateEnvironment(b.Context(), identity.NewEnvironment{Name: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	u, err := ids.CreateUser(b.Context(), e.ID, identity.NewUser{Email: "ada@example.com"})
	if err != nil {
		b.Fatal(err)
	}
	texts := make([]string, sessions)
	for i := range texts {
		if err := ids.Update(b.Context(), func(tx *identity.Tx) (err error) {
			_, texts[i], err = tx.StartSession(e, identity.NewSession{User: u.ID, Method: identity.MethodPassword, Authenticated: tx.Now()})
			return err
		}); err != nil {
			b.Fatal(err)
		}
	}
	return flow, e, texts
}

// BenchmarkRefresh is the refresh grant without HTTP; compare with BenchmarkSign.
func BenchmarkRefresh(b *testing.B) {
	flow, e, texts := benchHouse(b, 64)
	var turn atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		text := texts[int(turn.Add(1)-1)%len(texts)]
		for pb.Next() {
			g, err := flow.Redeem(b.Context(), authflow.GrantRequest{Type: authflow.GrantRefreshToken, ClientID: string(e.ClientID), RefreshToken: text})
			if err != nil {
				b.Fatal(err)
			}
			text = g.RefreshToken
		}
	})
}

// BenchmarkSign is the signature alone.
func BenchmarkSign(b *testing.B) {
	key, err := token.GenerateKey()
	if err != nil {
		b.Fatal(err)
	}
	sg, err := token.NewSigner("k", key)
	if err != nil {
		b.Fatal(err)
	}
	claims := map[string]any{"iss": "https://api.workos.com/user_management/client_01ARZ3NDEKTSV4RRFFQ69G5FAV", "sub": "user_01ARZ3NDEKTSV4RRFFQ69G5FAV"}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := sg.Sign(claims); err != nil {
				b.Fatal(err)
			}
		}
	})
}
