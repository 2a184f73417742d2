//go:build cgo

package pkcs11

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/miekg/pkcs11"
)

// A module is a loaded PKCS#11 library. The standard has one state of a library
// for the whole process: it is initialized once, finalized once, and a login is
// for all sessions with a token. So what is loaded is kept here, and counted,
// in the package's one variable.
type module struct {
	path   string
	ctx    *pkcs11.Ctx
	users  int          // signers that have it open
	logins map[uint]int // by slot: signers that rely on the login
}

var modules = struct {
	sync.Mutex // held for opening and closing, and for logins
	loaded     map[string]*module
}{loaded: make(map[string]*module)}

// load returns the module at path for one more user. The caller holds the lock.
func load(path string) (*module, error) {
	// One library under two names is one library to the loader.
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fmt.Errorf("PKCS#11 module: %w", err)
	}
	if m := modules.loaded[path]; m != nil {
		m.users++
		return m, nil
	}
	ctx := pkcs11.New(path)
	if ctx == nil {
		return nil, fmt.Errorf("PKCS#11 module %s: expected a shared library with PKCS#11's functions, found something that does not load", path)
	}
	if err := ctx.Initialize(); err != nil {
		ctx.Destroy()
		return nil, fmt.Errorf("PKCS#11 module %s: initializing: %w", path, err)
	}
	m := &module{path: path, ctx: ctx, users: 1, logins: make(map[uint]int)}
	modules.loaded[path] = m
	return m, nil
}

// release gives back what load returned. The caller holds the lock.
func (m *module) release() error {
	if m.users--; m.users > 0 {
		return nil
	}
	delete(modules.loaded, m.path)
	err := m.ctx.Finalize()
	m.ctx.Destroy()
	return err
}

// A session is one open session with a token.
type session struct {
	module   *module
	slot     uint
	handle   pkcs11.SessionHandle
	token    pkcs11.TokenInfo
	loggedIn bool // and counted in module.logins
}

// connect opens a session with the token that u names.
func connect(u *uri) (*session, error) {
	modules.Lock()
	defer modules.Unlock()
	m, err := load(u.module)
	if err != nil {
		return nil, err
	}
	s := &session{module: m}
	if s.slot, s.token, err = findToken(m.ctx, u); err == nil {
		s.handle, err = m.ctx.OpenSession(s.slot, pkcs11.CKF_SERIAL_SESSION)
	}
	if err != nil {
		return nil, errors.Join(err, m.release())
	}
	return s, nil
}

// close ends the session, the login with the last session that relies on it,
// and the module with its last user.
func (s *session) close() error {
	modules.Lock()
	defer modules.Unlock()
	var logout error
	if s.loggedIn {
		if s.module.logins[s.slot]--; s.module.logins[s.slot] == 0 {
			logout = s.module.ctx.Logout(s.handle)
		}
	}
	return errors.Join(logout, s.module.ctx.CloseSession(s.handle), s.module.release())
}
