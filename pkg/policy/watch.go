package policy

import (
	"context"
	"fmt"
	"runtime/metrics"
	"time"
)

// heapMetric is what the process's heap holds, in bytes: the live and the dead
// that were not yet swept.
const heapMetric = "/memory/classes/heap/objects:bytes"

// watchEvery is how often the clock and the heap are looked at. An evaluation
// that is faster is never disturbed.
const watchEvery = 2 * time.Millisecond

// watch returns a context that ends at the deadline, or when the heap has grown
// too much, and a function that ends it.
func (l Limits) watch(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	begun, start := time.Now(), heap()
	again := make(chan *time.Timer, 1) // so that the first tick finds its timer
	timer := time.AfterFunc(watchEvery, func() {
		now := heap()
		switch {
		case ctx.Err() != nil:
		case time.Since(begun) > l.Deadline:
			cancel(fmt.Errorf("evaluation took longer than the limit of %v", l.Deadline))
		case now > start && now-start > l.Memory:
			cancel(fmt.Errorf("evaluation took more memory than the limit of %d bytes", l.Memory))
		default:
			t := <-again
			t.Reset(watchEvery)
			again <- t
		}
	})
	again <- timer
	return ctx, func() {
		timer.Stop()
		cancel(nil)
	}
}

func heap() uint64 {
	sample := []metrics.Sample{{Name: heapMetric}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
