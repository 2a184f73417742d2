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

// watchEvery is how often the heap is looked at. An evaluation that is faster
// is never disturbed.
const watchEvery = 2 * time.Millisecond

// watch returns a context that ends at the deadline, or when the heap has grown
// too much, and a function that ends it.
func (l Limits) watch(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	ctx, stopClock := context.WithTimeoutCause(ctx, l.Deadline, fmt.Errorf("evaluation took longer than the limit of %v", l.Deadline))
	done := make(chan struct{})
	start := heap()
	go func() {
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				if now := heap(); now > start && now-start > l.Memory {
					cancel(fmt.Errorf("evaluation took more memory than the limit of %d bytes", l.Memory))
					return
				}
			}
		}
	}()
	return ctx, func() {
		close(done)
		stopClock()
		cancel(nil)
	}
}

func heap() uint64 {
	sample := []metrics.Sample{{Name: heapMetric}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
