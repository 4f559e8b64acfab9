package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/lentil-dev/lentil/internal/server"
	"github.com/lentil-dev/lentil/internal/systemd"
)

// supervision is what serve does beside the house for whoever started it: it tells a
// service manager how the house is, and reads certificates again on SIGHUP.
type supervision struct {
	manager systemd.Manager
	out     *talk
	cfg     *server.Config
	hangUp  context.CancelFunc // stops the house when its terminal is gone
	hup     chan os.Signal
	stays   bool // a hang-up is to be ignored where there is nothing to read again
}

// listen takes hang-ups from here on, so that one that comes while the house starts
// is kept for watch instead of ending the process. Whoever started it with nohup can
// have certificates read again, too, but a hang-up does not end it then.
func (v *supervision) listen() (stop func()) {
	v.hup, v.stays = make(chan os.Signal, 1), signal.Ignored(syscall.SIGHUP)
	signal.Notify(v.hup, syscall.SIGHUP)
	return func() { signal.Stop(v.hup) }
}

// watch goes on until ctx ends; the house answers already.
func (v *supervision) watch(ctx context.Context, s *server.Server) {
	status := "answers at " + s.Addresses().URL
	v.manager.Ready(status)
	var wg sync.WaitGroup
	defer wg.Wait()
	// A house that lets requests finish is alive, too.
	watching, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	wg.Go(func() { v.manager.Watch(watching, s.Alive) })
	for {
		select {
		case <-s.Stopping():
			v.manager.Stopping("lets running requests finish")
			v.manager.Extend(v.cfg.DrainDelay + v.cfg.DrainTime + stopSlack)
			<-s.Closed()
			return
		case <-v.hup:
			if !s.Reloads() {
				if v.stays || v.manager.Found() {
					v.manager.Reloading() // who waits for a reload learns that it is over
					v.manager.Ready(status)
					continue
				}
				v.hangUp() // nothing to read again: the signal means that the terminal is gone
				continue
			}
			v.manager.Reloading()
			if err := s.Reload(); err != nil {
				v.out.notice("what was in use before stays in use: %v", err)
				v.manager.Ready("certificates could not be read again: " + err.Error())
				continue
			}
			v.out.notice("certificates were read again")
			v.manager.Ready(status)
		}
	}
}

// stopSlack is what closing stores may take beyond waiting for requests.
const stopSlack = 30 * time.Second
