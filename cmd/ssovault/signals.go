package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// trap gives a context that ends at Ctrl-C, Ctrl-\ or SIGTERM. A second one ends
// the program at once, whatever it waits for. release leaves signals to their
// default from then on; after it, ctx has ended if any came before. It may be
// called twice.
func trap() (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGQUIT, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, came := <-signals; came {
			signal.Stop(signals)
			cancel()
		}
	}()
	return ctx, sync.OnceFunc(func() {
		signal.Stop(signals) // waits for one that is on its way
		close(signals)
		<-done
	})
}
