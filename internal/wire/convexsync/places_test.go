package convexsync

import "testing"

func TestPlacesKeepSomeForServersWithFew(t *testing.T) {
	t.Parallel()
	p := NewPlaces(160)
	for i := range 160 {
		if !p.take(i) {
			t.Fatalf("alone it gets %d of 160", i)
		}
	}
	if p.take(160) {
		t.Error("more than there are")
	}
	for range 160 {
		p.give()
	}
	p.Share(true)
	crowd := 0
	for p.take(crowd) {
		crowd++
	}
	if crowd != 140 {
		t.Errorf("a crowd gets %d of 160", crowd)
	}
	small := 0
	for p.take(small) {
		small++
	}
	if small != 10 || p.Open() != 150 {
		t.Errorf("the other gets %d, %d are taken", small, p.Open())
	}
	var none *Places
	if !none.take(1 << 20) {
		t.Error("without places there is no bound")
	}
}
