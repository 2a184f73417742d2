package server

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Listeners are open sockets, one for each service.
type Listeners struct {
	sockets map[Service]net.Listener
}

// Listen opens a socket for each service on that address: HOST:0 for ports that
// are free, or HOST:PORT for that port and those after it, in the order of
// Services. HOST must be an IP address or a name that clients can reach; the
// sandbox issues certificates to everybody, so think before it is anything but
// loopback.
func Listen(ctx context.Context, address string) (*Listeners, error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, optionErrorf("listening on %q: %w", address, err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || int(port)+len(Services()) > 1<<16 {
		return nil, optionErrorf("listening on %q: expected a port from 0 to %d", address, 1<<16-len(Services()))
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return nil, optionErrorf("listening on %q: expected an address that clients can reach", address)
	}
	if port > 0 {
		return ListenAt(ctx, consecutive(host, int(port)))
	}
	for range 100 {
		l, err := ListenAt(ctx, consecutive(host, lowPort+rand.IntN(highPort-lowPort)))
		if !errors.Is(err, syscall.EADDRINUSE) {
			return l, err
		}
	}
	return nil, fmt.Errorf("sandbox: listening on %q: expected %d free ports in a row, found none", address, len(Services()))
}

// Free ports are looked for below those that systems give to outgoing
// connections: one of these might be taken when the sandbox wants it again.
const lowPort, highPort = 10_000, 32_000

func consecutive(host string, port int) map[Service]string {
	addresses := map[Service]string{}
	for i, service := range Services() {
		addresses[service] = net.JoinHostPort(host, strconv.Itoa(port+i))
	}
	return addresses
}

// ListenAt opens a socket for each service on its own address.
func ListenAt(ctx context.Context, addresses map[Service]string) (*Listeners, error) {
	l := &Listeners{sockets: map[Service]net.Listener{}}
	var config net.ListenConfig
	for _, service := range Services() {
		socket, err := config.Listen(ctx, "tcp", addresses[service])
		if err != nil {
			l.Close()
			return nil, fmt.Errorf("sandbox: %s: %w", service, err)
		}
		l.sockets[service] = socket
	}
	return l, nil
}

// Addresses returns host and port of each service.
func (l *Listeners) Addresses() map[Service]string {
	all := map[Service]string{}
	for service, socket := range l.sockets {
		all[service] = socket.Addr().String()
	}
	return all
}

// URLs returns the base URL of each service.
func (l *Listeners) URLs() map[Service]string {
	all := map[Service]string{}
	for service, address := range l.Addresses() {
		all[service] = "http://" + address
	}
	return all
}

// Close closes the sockets. Serve does so by itself.
func (l *Listeners) Close() {
	for _, socket := range l.sockets {
		socket.Close()
	}
}

// Limits of a connection.
const (
	headerTime   = 10 * time.Second
	readTime     = 30 * time.Second
	writeTime    = time.Minute
	shutdownTime = 2 * time.Second
	maxHeader    = 64 << 10 // bytes
)

// Serve serves until ctx is done, ends what is under way, and returns nil, or
// the reason why it could not serve.
func (s *Server) Serve(ctx context.Context, l *Listeners) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	base, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var servers []*http.Server
	results := make(chan error, len(l.sockets))
	for service, socket := range l.sockets {
		server := &http.Server{
			Handler: s.Handler(service), ReadHeaderTimeout: headerTime, ReadTimeout: readTime, WriteTimeout: writeTime,
			IdleTimeout: writeTime, MaxHeaderBytes: maxHeader, BaseContext: func(net.Listener) context.Context { return base },
		}
		servers = append(servers, server)
		go func() {
			err := server.Serve(socket)
			cancel() // one that fails ends all
			results <- err
		}()
	}
	<-ctx.Done()
	shutdown(servers, end)
	var errs []error
	for range servers {
		if err := <-results; !errors.Is(err, http.ErrServerClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// shutdown lets requests end, and ends those that do not.
func shutdown(servers []*http.Server, end func()) {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	context.AfterFunc(ctx, end)
	var wait sync.WaitGroup
	for _, server := range servers {
		wait.Go(func() {
			if server.Shutdown(ctx) != nil {
				server.Close()
			}
		})
	}
	wait.Wait()
}
