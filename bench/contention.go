package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"
)

// How the transfers are played: so many accounts, clients, and turns of either
// distribution, which alternate so that both meet the same machine.
const (
	accounts  = 1000
	movers    = 64
	turns     = 3
	zipfPower = 1.5
)

// benchContention compares transfers between accounts that are picked evenly with
// such whose first accounts are in most of them, and looks whether anybody is
// left behind.
func benchContention(ctx context.Context, b *bench) error {
	h, err := b.open(ctx)
	if err != nil {
		return err
	}
	w, err := dial(ctx, h.info.URL)
	if err != nil {
		return err
	}
	defer w.close()
	if err := fillCells(ctx, w, "account-", accounts); err != nil {
		return err
	}
	clients, err := dialAll(ctx, h.info.URL, movers)
	if err != nil {
		return err
	}
	var even, skewed play
	short := *b
	short.length = b.length / turns
	for range turns {
		if err := short.transfers(ctx, clients, false, &even); err != nil {
			return err
		}
		if err := short.transfers(ctx, clients, true, &skewed); err != nil {
			return err
		}
	}
	b.report("transfers, accounts picked evenly, 64 clients", "%v", &even)
	b.report("transfers, Zipf 1.5, 64 clients", "%v; %.0f %% of the even rate", &skewed, 100*skewed.rate()/even.rate())
	sum, err := newCaller(h.info.URL, 1).value(ctx, "life:total", map[string]any{"prefix": "account-"})
	if err != nil {
		return err
	}
	var total struct{ Sum, Count float64 }
	if err := json.Unmarshal(sum, &total); err != nil || total.Sum != 0 || total.Count != accounts {
		return fmt.Errorf("the accounts together hold %s, not nothing (%w)", sum, err)
	}
	return nil
}

// play is how transfers of one distribution went.
type play struct {
	times  spread
	took   time.Duration
	counts [movers]int64 // by client
}

// rate is transfers a second.
func (p *play) rate() float64 { return float64(len(p.times)) / p.took.Seconds() }

// String gives rate, times, and the least and most busy client.
func (p *play) String() string {
	return fmt.Sprintf("%.0f/s, %v, by client %d to %d", p.rate(), p.times, slices.Min(p.counts[:]), slices.Max(p.counts[:]))
}

// transfers plays one turn. Any failure that a client is shown ends it.
func (b *bench) transfers(ctx context.Context, clients []*client, skewed bool, into *play) error {
	began := time.Now()
	times, _, err := b.hammer(ctx, len(clients), func(ctx context.Context, i int) error {
		from, to := pick(skewed), pick(skewed)
		for to == from {
			to = pick(skewed)
		}
		_, err := clients[i].mutate(ctx, "life:transfer", map[string]any{
			"from": fmt.Sprint("account-", from), "to": fmt.Sprint("account-", to), "amount": 1 + rand.IntN(9),
		})
		atomic.AddInt64(&into.counts[i], 1)
		return err
	})
	into.times = append(into.times, times...)
	into.took += time.Since(began)
	return err
}

// pick is the number of an account.
func pick(skewed bool) uint64 {
	if !skewed {
		return rand.Uint64N(accounts)
	}
	return zipf()
}

// zipf draws by inversion: rand.Zipf keeps a generator that clients would share.
func zipf() uint64 {
	at := rand.Float64() * zipfSums[accounts-1]
	i, _ := slices.BinarySearch(zipfSums[:], at)
	return uint64(min(i, accounts-1))
}

// zipfSums are the running sums of k to the power of minus zipfPower.
var zipfSums = func() (sums [accounts]float64) {
	sum := 0.0
	for k := range sums {
		sum += math.Pow(float64(k+1), -zipfPower)
		sums[k] = sum
	}
	return sums
}()
