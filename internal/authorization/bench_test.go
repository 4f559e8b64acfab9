package authorization_test

import (
	"fmt"
	"testing"

	"github.com/lentil-dev/lentil/internal/authorization"
	"github.com/lentil-dev/lentil/internal/identity"
)

// BenchmarkCheck asks for a permission that a role three levels up gives, while
// others have many more roles. The time must not depend on how many.
func BenchmarkCheck(b *testing.B) {
	for _, others := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("others=%d", others), func(b *testing.B) {
			h := newHouse(b)
			h.types()
			h.role("keeper", "workspace", "app:view")
			org := h.organization()
			m := h.member(org)
			ref := authorization.Ref{}
			for i, kind := range []string{"workspace", "project", "app"} {
				r, err := h.CreateResource(h.ctx, h.env, authorization.NewResource{Organization: org, Type: kind, ExternalID: kind, Name: kind, Parent: ref})
				check(b, err)
				if ref = (authorization.Ref{ID: r.ID}); i == 0 {
					_, err = h.Assign(h.ctx, h.env, m, "keeper", ref)
					check(b, err)
				}
			}
			crowd := h.member(org)
			for i := range others {
				r, err := h.CreateResource(h.ctx, h.env, authorization.NewResource{Organization: org, Type: "workspace", ExternalID: fmt.Sprint(i), Name: "w"})
				check(b, err)
				_, err = h.Assign(h.ctx, h.env, []identity.MembershipID{m, crowd}[i%2], "keeper", authorization.Ref{ID: r.ID})
				check(b, err)
			}
			for b.Loop() {
				ok, err := h.Check(h.ctx, h.env, m, "app:view", ref)
				if err != nil || !ok {
					b.Fatal(ok, err)
				}
			}
		})
	}
}
