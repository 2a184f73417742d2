package main

import (
	"context"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bundler-sign/bundler/pkg/sandbox/server"
)

// homes holds the sandbox that serves for each script.
var homes sync.Map // of *testscript.TestScript to *server.Home

// cmdServe serves a sandbox until the script ends, and sets ISSUER, REKOR1,
// REKOR2 and TSA to its addresses. Its clock is the machine's, as that of
// bundler sign is.
func cmdServe(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: serve DIR")
	}
	ctx, cancel := context.WithCancel(context.Background())
	home, err := server.Open(ctx, ts.MkAbs(args[0]), nil)
	ts.Check(err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = home.Serve(ctx) // what goes wrong shows in the script
	}()
	ts.Defer(func() {
		cancel()
		<-done
	})
	for name, service := range map[string]server.Service{"ISSUER": server.OIDC, "REKOR1": server.RekorV1, "REKOR2": server.RekorV2, "TSA": server.TSA} {
		ts.Setenv(name, home.Server.URL(service))
	}
	homes.Store(ts, home)
}

// cmdMisbehave has the sandbox misbehave from now on; without arguments it is
// honest again.
func cmdMisbehave(ts *testscript.TestScript, neg bool, args []string) {
	home, ok := homes.Load(ts)
	if neg || !ok {
		ts.Fatalf("usage: misbehave [FAULT…], after serve")
	}
	ts.Check(home.(*server.Home).Server.Misbehave(args...))
}
